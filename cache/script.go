package cache

import (
	"strconv"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// What a fleet shares of one credential is in five keys of the server. All have the same
// hash tag, so that a cluster has them in one place, and all end by themselves:
//
//	jeton:{NAME}           g: the generation, v: the sealed value
//	jeton:{NAME}:lease     who is fetching, sealed; for leaseTime
//	jeton:{NAME}:refusal   what the issuer refused, sealed
//	jeton:{NAME}:fence     f: the last number given to a fetch, p: the last one that was put,
//	                       a: how often it was asked for, n: how often fetched, s: since when
//	jeton:{NAME}:keys      the sealed records of the keys that were made for one user of an
//	                       issuer, after whom NAME is made here, each by a hash of its tag
//
// The scripts below are the server's part of the protocol. Each is one step.

// fenceTime is how long the counters live after their last use.
const fenceTime = 24 * time.Hour

// number is the part of a script that gives the next number to a fetch. It grows even if the
// server has lost the former one, as after a failover, since it is at least the time.
const number = `
local function number(t)
  local f = math.max(tonumber(redis.call('HGET', KEYS[4], 'f') or 0) + 1, t[1] * 1000 + math.floor(t[2] / 1000))
  redis.call('HSET', KEYS[4], 'f', string.format('%.0f', f))
  return string.format('%.0f', f)
end
`

// scriptLook returns what there is, and gives the caller the lease and a number if there is
// no value, or only the one of the generation that the caller knows to be of no use.
//
// ARGV: 1 the lease, 2 its time in ms, 3 the generation, 4 "1" to disregard a refusal,
// 5 "1" for a number without the lease, 6 "1" to be counted, 7 fenceTime in ms.
const scriptLook = number + `
local v = redis.call('HMGET', KEYS[1], 'g', 'v')
local holder, refusal, t, mine = redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3]), redis.call('TIME'), '0'
if ARGV[6] == '1' then
  redis.call('HINCRBY', KEYS[4], 'a', 1)
  redis.call('HSETNX', KEYS[4], 's', t[1])
end
if (not v[1] or v[1] == ARGV[3]) and (not refusal or ARGV[4] == '1') and
  (ARGV[5] == '1' or not holder and redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])) then
  mine = number(t)
  redis.call('HINCRBY', KEYS[4], 'n', 1)
end
if ARGV[6] == '1' or mine ~= '0' then
  redis.call('PEXPIRE', KEYS[4], ARGV[7])
end
return {mine, v[1] or '0', v[2] or '', refusal or '', holder or '', t[1], t[2]}
`

// scriptPut keeps a value, unless a fetch with a higher number has put its own or all was
// withdrawn since, and ends the lease. It returns 1 if it has kept the value.
//
// ARGV: 1 the number, 2 the value, 3 its time in ms, 4 the lease, 5 fenceTime in ms.
const scriptPut = `
local kept, mine = 0, tonumber(ARGV[1])
if mine > (tonumber(redis.call('HGET', KEYS[1], 'g') or 0) or 0) and
  mine > (tonumber(redis.call('HGET', KEYS[4], 'p') or 0) or 0) then
  redis.call('HSET', KEYS[1], 'g', ARGV[1], 'v', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('HSET', KEYS[4], 'p', ARGV[1])
  redis.call('PEXPIRE', KEYS[4], ARGV[5])
  redis.call('DEL', KEYS[3])
  kept = 1
end
if redis.call('GET', KEYS[2]) == ARGV[4] then
  redis.call('DEL', KEYS[2])
end
return kept
`

// scriptEnd ends the lease of a fetch without a value, and keeps why the issuer refused it.
//
// ARGV: 1 the lease, 2 the refusal or nothing, 3 its time in ms.
const scriptEnd = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
end
return 1
`

// scriptRenew keeps the lease for longer. It returns 0 if it is another's by now.
//
// ARGV: 1 the lease, 2 its time in ms.
const scriptRenew = `
if redis.call('GET', KEYS[2]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 0
`

// scriptWithdraw removes the value, and has no fetch put one that is under way. It returns
// the generation and the value.
//
// ARGV: 1 fenceTime in ms.
const scriptWithdraw = number + `
redis.call('HSET', KEYS[4], 'p', number(redis.call('TIME')))
redis.call('PEXPIRE', KEYS[4], ARGV[1])
local v = redis.call('HMGET', KEYS[1], 'g', 'v')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return {v[1] or '0', v[2] or ''}
`

// scriptCensus returns what doctor tells of it.
const scriptCensus = `
local t, g = redis.call('TIME'), redis.call('HGET', KEYS[1], 'g')
local f = redis.call('HMGET', KEYS[4], 'a', 'n', 's')
return {g or '0', redis.call('HGET', KEYS[1], 'v') or '', redis.call('PTTL', KEYS[1]), redis.call('GET', KEYS[2]) or '',
  f[1] or '0', f[2] or '0', f[3] or '0', t[1], t[2]}
`

// scriptRecord keeps the record of a key that is made, or removes it if it is empty.
//
// ARGV: 1 the hash, 2 the record, 3 its time in ms.
const scriptRecord = `
if ARGV[2] == '' then
  return redis.call('HDEL', KEYS[5], ARGV[1])
end
redis.call('HSET', KEYS[5], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[5]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[5], ARGV[3])
end
return 1
`

// scriptRecords returns the time and all records, each after its hash.
const scriptRecords = `
local t = redis.call('TIME')
return {t[1], t[2], redis.call('HGETALL', KEYS[5])}
`

// evaluation returns the command that runs a script on what is shared under name.
func evaluation(script, name string, args ...string) []string {
	key := "jeton:{" + name + "}"
	return append([]string{"EVAL", script, "5", key, key + ":lease", key + ":refusal", key + ":fence", key + ":keys"},
		args...)
}

// milliseconds returns d as the server wants it.
func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

func formatNumber(n int64) string { return strconv.FormatInt(n, 10) }

// A reply is the list that a script returns.
type reply []any

// text returns the i-th element as text. One that is missing is empty.
func (r reply) text(i int) string {
	if i >= len(r) {
		return ""
	}
	s, _ := r[i].(string)
	return s
}

// number returns the i-th element as a number.
func (r reply) number(i int) int64 {
	if i < len(r) {
		if n, ok := r[i].(int64); ok {
			return n
		}
	}
	n, _ := strconv.ParseInt(r.text(i), 10, 64)
	return n
}

// time returns the time in the i-th element and the next one, as TIME gives it.
func (r reply) time(i int) time.Time { return time.Unix(r.number(i), r.number(i+1)*1000) }

// list returns a script's reply as a list of at least n elements.
func list(v any, n int) (reply, error) {
	l, ok := v.([]any)
	if !ok || len(l) < n {
		return nil, plugin.Errorf(plugin.Unusable, "the server's answer makes no sense")
	}
	return l, nil
}
