// The messages of all chats: loading pages, and closing gaps that stay open. Owns `histories` and
// `openChatId`; history.ts says what each event does to one history.

import { ApiError, type Api } from './api'
import type { Clock } from './clock'
import {
  applyPage,
  beginPage,
  emptyHistory,
  failPage,
  hasGap,
  isLoadingPage,
  messageBeforeGap,
  resumeHistory,
  type History,
} from './history'
import { withEntry, withoutEntry, type AppStore } from './state'
import type { Chat, Message } from './types'

const PAGE = 50
const OLDER_PAGE = 100
/** The server's limit. */
const PAGE_MAX = 200
/** Read messages loaded above the first unread one. */
const CONTEXT = 20
const RETRY_MS = 2_000
/** How long a gap may stay open: most are acks that overtook a push, and close by themselves. */
const GAP_MS = 2_000
const GAP_MAX_MS = 60_000
/** A frame may have 64 KiB. */
const RESUME_MAX_BYTES = 60_000

export interface TimelineHandlers {
  /** A page was loaded. */
  loaded(messages: readonly Message[]): void
  /** A gap stayed open: some pushed changes are missing. */
  gapStaysOpen(): void
  unauthorized(): void
}

export class Timeline {
  private readonly gapTimers = new Map<number, () => void>()
  private gapDelay = GAP_MS
  /** Changes with reset(): older responses are ignored. */
  private generation = 0

  constructor(
    private readonly store: AppStore,
    private readonly api: Api,
    private readonly clock: Clock,
    private readonly handlers: TimelineHandlers,
  ) {}

  get(id: number): History | undefined {
    return this.store.getState().histories.get(id)
  }

  apply(id: number, change: (history: History) => History): void {
    const { histories, catchingUp } = this.store.getState()
    const history = change(histories.get(id) ?? emptyHistory(null))
    this.store.setState({ histories: withEntry(histories, id, history) })
    if (!hasGap(history)) this.unwatchGap(id)
    else if (!catchingUp) this.watchGap(id)
  }

  remove(id: number): void {
    this.unwatchGap(id)
    this.store.setState({ histories: withoutEntry(this.store.getState().histories, id) })
  }

  // ---- Pages --------------------------------------------------------------------------------

  /** Sets the chat on the screen, and loads its newest page. */
  open(id: number | null): void {
    this.store.setState({ openChatId: id })
    if (id !== null) void this.loadNewest(id)
  }

  /** Loads the newest page, unless it is loaded or requested. */
  async loadNewest(id: number): Promise<void> {
    const history = this.get(id)
    if (history?.loaded || isLoadingPage(history)) return
    const chat = this.store.getState().chats.get(id)
    const unread = chat === undefined ? 0 : chat.last_seq - chat.read_seq
    await this.loadPage(id, { limit: Math.min(PAGE_MAX, Math.max(PAGE, unread + CONTEXT)) })
  }

  /** Loads the page before the window, unless there is none or a page is requested. */
  async loadOlder(id: number): Promise<void> {
    const history = this.get(id)
    const first = history?.messages[0]
    if (first === undefined || !history?.loaded || !history.more || isLoadingPage(history)) return
    await this.loadPage(id, { before: first.seq, limit: OLDER_PAGE })
  }

  /** Loads the newest page also if one is loaded: its messages may be of an earlier time. */
  async refresh(id: number): Promise<void> {
    if (!isLoadingPage(this.get(id))) await this.loadPage(id, { limit: PAGE })
  }

  private async loadPage(id: number, query: { before?: number; limit: number }): Promise<void> {
    const { generation } = this
    this.apply(id, beginPage)
    try {
      const { messages, more } = await this.api.messages(id, query)
      if (generation !== this.generation || !isLoadingPage(this.get(id))) return
      const sorted = [...messages].sort((a, b) => a.seq - b.seq)
      this.apply(id, (history) => applyPage(history, sorted, more))
      this.handlers.loaded(sorted)
    } catch (error) {
      if (generation !== this.generation || this.get(id) === undefined) return
      this.apply(id, failPage)
      this.pageFailed(id, error, query.before === undefined)
    }
  }

  private pageFailed(id: number, error: unknown, isNewest: boolean): void {
    const status = error instanceof ApiError ? error.status : 0
    if (status === 401) this.handlers.unauthorized()
    else if (status === 404) this.remove(id)
    else if (isNewest && this.store.getState().socket === 'ready')
      this.clock.after(RETRY_MS, () => {
        if (this.store.getState().openChatId === id) void this.loadNewest(id)
      })
    // While disconnected nothing is retried here: sync loads the open chat after it reconnects.
  }

  // ---- Gaps ---------------------------------------------------------------------------------

  /** To be called when all changes up to now were received: what is missing now stays missing. */
  watchGaps(): void {
    for (const [id, history] of this.store.getState().histories)
      if (hasGap(history)) this.watchGap(id)
  }

  private watchGap(id: number): void {
    if (this.gapTimers.has(id)) return
    this.gapTimers.set(id, this.clock.after(this.gapDelay, () => this.gapExpired(id)))
  }

  private unwatchGap(id: number): void {
    this.gapTimers.get(id)?.()
    this.gapTimers.delete(id)
  }

  private gapExpired(id: number): void {
    this.gapTimers.delete(id)
    const history = this.get(id)
    if (history === undefined || !hasGap(history)) {
      this.gapDelay = GAP_MS
      return
    }
    this.gapDelay = Math.min(this.gapDelay * 2, GAP_MAX_MS)
    this.handlers.gapStaysOpen()
    void this.loadGap(id, history)
  }

  /** A sync does not bring messages whose mod is below the resume point; a page does. */
  private async loadGap(id: number, history: History): Promise<void> {
    const { generation } = this
    const before = messageBeforeGap(history)
    if (before === undefined) return
    try {
      const { messages } = await this.api.messages(id, { after: before.seq, limit: PAGE_MAX })
      if (generation === this.generation && this.get(id)?.loaded)
        this.apply(id, (h) => applyPage(h, messages, h.more))
    } catch {
      // Requested again when the gap is noticed again.
    }
  }

  // ---- Resuming -----------------------------------------------------------------------------

  /** Adapts the histories of chats to a page of a freshly read chat list. */
  reconcile(page: readonly Chat[]): void {
    const histories = new Map(this.store.getState().histories)
    for (const { chat_id, last_mod } of page)
      histories.set(chat_id, resumeHistory(histories.get(chat_id), last_mod))
    this.store.setState({ histories })
  }

  /** Drops the histories of all chats but those in the list and in `keep`. */
  retain(keep: readonly number[]): void {
    const { histories, chats } = this.store.getState()
    const kept = [...histories].filter(([id]) => chats.has(id) || keep.includes(id))
    this.store.setState({ histories: new Map(kept) })
  }

  /**
   * The `after` member of a `sync` frame, as much of it as fits into one frame: the server answers
   * a chat that is left out by its last messages.
   */
  resumePoints(): Record<string, number> {
    const { histories, chats } = this.store.getState()
    const after: Record<string, number> = {}
    let bytes = 0
    for (const [id, { mod }] of histories) {
      if (mod === null || !chats.has(id)) continue
      bytes += String(id).length + String(mod).length + 4
      if (bytes > RESUME_MAX_BYTES) break
      after[id] = mod
    }
    return after
  }

  /** Drops a history that is not the server's, and loads the chat again if it is open. */
  restart(id: number): void {
    this.remove(id)
    if (this.store.getState().openChatId === id) void this.loadNewest(id)
  }

  reset(): void {
    this.generation++
    for (const id of [...this.gapTimers.keys()]) this.unwatchGap(id)
  }
}
