// Logging in and out. Owns `phase`, `expired` and `me`, and resets all other state.

import { ApiError, type Api } from './api'
import { backoffMs } from './backoff'
import type { CachedState } from './cache'
import type { Environment } from './environment'
import { initialState, myId, type AppStore } from './state'
import type { User } from './types'

export interface SessionHandlers {
  /** The state of the user who was signed in last, as this browser has kept it. */
  cached(): Promise<CachedState | null>
  /** Prepares what has to exist before the page shows the user as signed in. */
  signingIn(me: User): Promise<void>
  /** `cached` is the state that the page starts from. */
  signedIn(cached: CachedState | null): Promise<void>
  /** The session ended. The state is reset after this. */
  signedOut(): void
  /** Erases what the user, who logged out, has not sent. */
  erase(): Promise<void>
  profileChanged(me: User): void
}

export class Session {
  private failures = 0
  /** False until the server has confirmed a session that was resumed from the cache. */
  private isVerified = true
  private cancelRetry: () => void = () => {}
  private readonly api: Api

  constructor(
    private readonly store: AppStore,
    private readonly env: Environment,
    private readonly handlers: SessionHandlers,
  ) {
    this.api = env.api
  }

  /**
   * Resumes the session of the cookie. A page that has a cache starts from it, and asks the server
   * afterwards.
   */
  async start(): Promise<void> {
    this.cancelRetry()
    const cached = this.store.getState().phase === 'starting' ? await this.handlers.cached() : null
    if (cached !== null) {
      await this.enter(cached.me, cached)
      return this.verify()
    }
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

  private async enter(me: User, cached: CachedState | null = null): Promise<void> {
    await this.handlers.signingIn(me)
    this.store.setState({
      ...initialState,
      people: new Map([[me.user_id, me]]),
      ...cached,
      phase: 'signed_in',
      me,
    })
    this.isVerified = cached === null
    await this.handlers.signedIn(cached)
  }

  async updateProfile(change: Parameters<Api['updateMe']>[0]): Promise<void> {
    this.profileRead(await this.api.updateMe(change))
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

  /** Ends the session here if the server has ended it, or if the cookie is another user's. */
  async verify(): Promise<void> {
    try {
      const me = await this.api.me()
      if (this.store.getState().phase !== 'signed_in') return
      if (me.user_id !== myId(this.store)) return this.restart()
      if (!this.isVerified) this.profileRead(me)
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.expire()
    }
  }

  /** Verifies a session that was resumed from the cache, if that is not done. */
  verifyCached(): void {
    if (!this.isVerified) void this.verify()
  }

  private profileRead(me: User): void {
    this.isVerified = true
    this.store.setState({ me })
    this.handlers.profileChanged(me)
  }

  /** The cookie belongs to another user. */
  async restart(): Promise<void> {
    this.leave(false)
    await this.start()
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
