// A parleyd with two workers and a PostgreSQL of its own, which end with the test file.

import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

const here = (path: string) => new URL(path, import.meta.url).pathname

export class Server {
  readonly base: string
  private constructor(
    private readonly process: ChildProcess,
    private readonly answers: AsyncIterator<string>,
    port: number,
  ) {
    this.base = `http://127.0.0.1:${port}`
  }

  /** What is started is that of the build directory in PARLEY_BUILD, with the page as it is in dist/. */
  static async start(): Promise<Server> {
    const python = process.env.PYTHON || '/usr/bin/python3'
    const child = spawn(python, [here('../../tests/integration/e2e_server.py'), here('../dist')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    })
    const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
    const { port } = await nextAnswer(answers)
    return new Server(child, answers, port as number)
  }

  /** Kills the worker in this slot; resolves when there is another one. */
  killWorker = (slot: 0 | 1) => this.ask(`kill_worker ${slot}`)
  stopDatabase = () => this.ask('pg_stop')
  startDatabase = () => this.ask('pg_start')

  /** Ends all; rejects where the daemon's log has something to complain of. */
  async stop(): Promise<void> {
    const { status, complaints } = await this.ask('stop')
    this.process.stdin!.end()
    await new Promise((ended) => this.process.once('exit', ended))
    if (status !== 0 || (complaints as string[]).length > 0)
      throw new Error(`parleyd left with ${status}: ${(complaints as string[]).join('\n')}`)
  }

  private ask(command: string): Promise<Record<string, unknown>> {
    this.process.stdin!.write(`${command}\n`)
    return nextAnswer(this.answers)
  }
}

async function nextAnswer(answers: AsyncIterator<string>): Promise<Record<string, unknown>> {
  const { value, done } = await answers.next()
  if (done) throw new Error('the server ended by itself')
  return JSON.parse(value) as Record<string, unknown>
}
