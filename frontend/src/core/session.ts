// Logging in and out. Owns `phase`, `expired` and `me`, and resets all other state.

import { ApiError, type Api } from './api'
import { backoffMs } from './backoff'
import type { Environment } from './environment'
import { initialState, myId, type AppStore } from './state'
import type { User } from './types'

export interface SessionHandlers {
  /** Prepares what has to exist before the page shows the user as signed in. */
  signingIn(me: User): Promise<void>
  signedIn(me: User): Promise<void>
  /** The session ended. The state is reset after this. */
  signedOut(): void
  /** Erases what this browser keeps for the user, who logged out. */
  erase(): Promise<void>
  profileChanged(me: User): void
}

export class Session {
  private failures = 0
  private cancelRetry: () => void = () => {}
  private readonly api: Api

  constructor(
    private readonly store: AppStore,
    private readonly env: Environment,
    private readonly handlers: SessionHandlers,
  ) {
    this.api = env.api
  }

  /** Resumes the session of the cookie, if the server accepts it. */
  async start(): Promise<void> {
    this.cancelRetry()
    try {
      await this.enter(await this.api.me())
      this.failures = 0
    } catch (error) {
      if (error instanceof ApiError && error.transient) this.startLater(error)
      else this.store.setState({ phase: 'signed_out' })
    }
  }

  private startLater(error: ApiError): void {
    this.store.setState({ phase: 'unreachable' })
    const delay = error.retryAfterMs ?? backoffMs(this.failures++, this.env.clock)
    this.cancelRetry = this.env.clock.after(delay, () => void this.start())
  }

  async login(username: string, password: string): Promise<void> {
    const { user } = await this.api.login(username, password)
    await this.enter(user)
    this.env.broadcast({ kind: 'signed_in' })
  }

  async register(body: Parameters<Api['register']>[0]): Promise<void> {
    await this.api.register(body)
    await this.login(body.username, body.password)
  }

  private async enter(me: User): Promise<void> {
    await this.handlers.signingIn(me)
    this.store.setState({
      ...initialState,
      phase: 'signed_in',
      me,
      people: new Map([[me.user_id, me]]),
    })
    await this.handlers.signedIn(me)
  }

  async updateProfile(change: Parameters<Api['updateMe']>[0]): Promise<void> {
    const me = await this.api.updateMe(change)
    this.store.setState({ me })
    this.handlers.profileChanged(me)
  }

  changePassword(oldPassword: string, newPassword: string): Promise<void> {
    return this.api.changePassword(oldPassword, newPassword)
  }

  async logout(): Promise<void> {
    const userId = myId(this.store)
    try {
      await this.api.logout()
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error
    }
    await this.leaveForGood(userId)
  }

  async deleteAccount(): Promise<void> {
    const userId = myId(this.store)
    await this.api.deleteUser(userId)
    await this.leaveForGood(userId)
  }

  private async leaveForGood(userId: number): Promise<void> {
    await this.handlers.erase()
    this.leave(false)
    this.env.eraseDrafts(userId)
    this.env.broadcast({ kind: 'signed_out' })
  }

  /** Ends the session here if the server has ended it. */
  async verify(): Promise<void> {
    try {
      await this.api.me()
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.expire()
    }
  }

  /** The server ended the session. What is not sent is kept. */
  expire(): void {
    this.leave(true)
  }

  /** The user logged out in another tab. */
  signedOutElsewhere(): void {
    if (this.store.getState().phase === 'signed_in') this.leave(false)
  }

  private leave(expired: boolean): void {
    this.cancelRetry()
    this.handlers.signedOut()
    this.store.setState({ ...initialState, phase: 'signed_out', expired })
  }
}
