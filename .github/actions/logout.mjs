// The second half of action.yml: forgets and revokes what jeton has obtained in this job. What
// hosts share in a Redis is left alone, since other jobs use it.
import {spawnSync} from 'node:child_process'

if (process.env.STATE_program && process.env.INPUT_LOGOUT !== 'false') {
  const {status} = spawnSync(process.env.STATE_program, ['logout', '--all'], {stdio: 'inherit'})
  if (status !== 0) console.log('::warning title=jeton::jeton logout --all has failed, see the log')
}
