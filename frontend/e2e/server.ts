// A parleyd with two workers and its own PostgreSQL, for one test file.

import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

const resolvePath = (path: string) => new URL(path, import.meta.url).pathname

export const DIST = resolvePath('../dist')
/** Of a condition that is waited for; reached only if a test fails. */
export const TIMEOUT_MS = 20_000

export class Server {
  readonly base: string
  private constructor(
    private readonly process: ChildProcess,
    private readonly responses: AsyncIterator<string>,
    port: number,
    /** The path of the daemon's configuration file. */
    readonly conf: string,
  ) {
    this.base = `http://127.0.0.1:${port}`
  }

  /** Starts the daemon of the build directory PARLEY_BUILD, with the page in `page`. */
  static async start(page = DIST): Promise<Server> {
    const python = process.env.PYTHON || '/usr/bin/python3'
    const child = spawn(python, [resolvePath('../../tests/integration/e2e_server.py'), page], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    })
    const responses = createInterface(child.stdout)[Symbol.asyncIterator]()
    const { port, conf } = await nextResponse(responses)
    return new Server(child, responses, port as number, conf as string)
  }

  /** Kills the worker in this slot; resolves when its successor runs. */
  killWorker = (slot: 0 | 1) => this.command(`kill_worker ${slot}`)
  stopDatabase = () => this.command('pg_stop')
  startDatabase = () => this.command('pg_start')
  backUpDatabase = () => this.command('backup')
  /** Puts the database back as it was at the backup. */
  restoreDatabase = () => this.command('restore')
  /** Runs a statement, in one line, in the database. */
  sql = (statement: string) => this.command(`sql ${statement.replace(/\s+/g, ' ')}`)
  /** Makes a user with a token but without a full name, without the time that the hash of a password takes. */
  newUser = (username: string, password: string) =>
    this.command(`user ${username} ${password}`) as Promise<{ id: number; token: string }>

  /** Stops all; rejects if the daemon failed or its log has complaints. */
  async stop(): Promise<void> {
    const { status, complaints } = await this.command('stop')
    this.process.stdin!.end()
    await new Promise((ended) => this.process.once('exit', ended))
    if (status !== 0 || (complaints as string[]).length > 0)
      throw new Error(`parleyd exited with status ${String(status)}: ${(complaints as string[]).join('\n')}`)
  }

  private command(command: string): Promise<Record<string, unknown>> {
    this.process.stdin!.write(`${command}\n`)
    return nextResponse(this.responses)
  }
}

async function nextResponse(responses: AsyncIterator<string>): Promise<Record<string, unknown>> {
  const result = await responses.next()
  if (result.done) throw new Error('the server exited unexpectedly')
  return JSON.parse(result.value) as Record<string, unknown>
}
