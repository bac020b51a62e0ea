// The first half of action.yml: installs a release of jeton, checked against its checksums.txt,
// and logs in. It needs nothing but Node.js, and the tar of the runner.
import {execFileSync, spawnSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {appendFileSync, chmodSync, existsSync, mkdtempSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join, resolve} from 'node:path'

const input = name => (process.env[`INPUT_${name}`] ?? '').trim()
const releases = process.env.JETON_RELEASES ?? 'https://github.com/jeton-cli/jeton/releases'

async function download(address) {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(`${address}: HTTP ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}

// install puts the program into a new folder, and returns the folder and the version.
async function install(version) {
  const from = version === 'latest' ? `${releases}/latest/download` : `${releases}/download/v${version.replace(/^v/, '')}`
  const os = {linux: 'linux', darwin: 'darwin', win32: 'windows'}[process.platform]
  const arch = {x64: 'amd64', arm64: 'arm64'}[process.arch]
  const sums = (await download(`${from}/checksums.txt`)).toString()
  const [, sum, file, installed] = sums.match(new RegExp(`^([0-9a-f]{64})  (jeton_(.*)_${os}_${arch}\\.(?:tar\\.gz|zip))$`, 'm')) ?? []
  if (!file) throw new Error(`there is no jeton ${version} for ${process.platform} ${process.arch}`)
  const archive = await download(`${from}/${file}`)
  if (createHash('sha256').update(archive).digest('hex') !== sum) throw new Error(`${file} is not what checksums.txt says`)
  const dir = mkdtempSync(join(process.env.RUNNER_TEMP ?? tmpdir(), 'jeton-'))
  writeFileSync(join(dir, file), archive)
  // Windows has a tar that reads zip files; a shell may have another one before it.
  const tar = os === 'windows' ? join(process.env.SystemRoot, 'System32', 'tar.exe') : 'tar'
  execFileSync(tar, ['-xf', join(dir, file), '-C', dir])
  return [dir, installed]
}

// set sets a variable of later steps, or an output.
function set(file, name, value) {
  if (/[\r\n]/.test(value)) throw new Error(`${name} has a line break`)
  appendFileSync(process.env[file], `${name}=${value}\n`)
}

// close takes from others the right to write the configuration, which jeton wants. Some runners
// give it to them.
function close(config) {
  chmodSync(config, statSync(config).mode & ~0o077)
  chmodSync(dirname(config), statSync(dirname(config)).mode & ~0o022)
}

// logIn gets the profile's credential, and masks what is secret of it.
function logIn(program, profile, env) {
  const {status, stdout} = spawnSync(program, ['get', profile, '-f', 'json'], {env, stdio: ['ignore', 'pipe', 'inherit']})
  if (status !== 0) throw new Error('jeton get has failed, see the log')
  const credential = JSON.parse(stdout)
  for (const name of ['token', 'secret_key', 'session_token', 'application_credential_secret', 'client_key', 'password']) {
    for (const line of (credential[name] ?? '').split('\n')) {
      if (line && !line.startsWith('-----')) console.log(`::add-mask::${line.replaceAll('%', '%25')}`)
    }
  }
}

try {
  const [dir, version] = await install(input('VERSION') || 'latest')
  const program = join(dir, process.platform === 'win32' ? 'jeton.exe' : 'jeton')
  appendFileSync(process.env.GITHUB_PATH, `${dir}\n`)
  set('GITHUB_OUTPUT', 'version', version)
  set('GITHUB_STATE', 'program', program)
  const env = {...process.env}
  if (input('CONFIG') && existsSync(input('CONFIG'))) close(resolve(input('CONFIG')))
  for (const [name, value] of [['JETON_CONFIG', input('CONFIG') && resolve(input('CONFIG'))], ['JETON_PROFILE', input('PROFILE')]]) {
    if (!value) continue
    env[name] = value
    set('GITHUB_ENV', name, value)
  }
  console.log(`jeton ${version} is installed`)
  if (input('PROFILE')) logIn(program, input('PROFILE'), env)
} catch (error) {
  console.log(`::error title=jeton::${error.message.replaceAll('\n', ' ')}`)
  process.exitCode = 1
}
