// The messages of all chats: loading pages, and closing gaps that stay open. Owns `histories` and
// `openChatId`; history.ts says what each event does to one history.

import { ApiError, type Api } from './api'
import type { Clock } from './clock'
import { applyPage, beginPage, emptyHistory, failPage, hasGap, isLoadingPage, messageBeforeGap, resumeHistory, segmentAt, trimSegment, type History, type Segment } from './history'
import { indexOfSeq } from './merging'
import { withEntry, withoutEntry, type AppStore } from './state'
import type { Chat, Message } from './types'

const PAGE = 50
const NEXT_PAGE = 100
/** The server's limit. */
const PAGE_MAX = 200
/** A message this close to the newest one is loaded with it. */
const NEAR_NEWEST = PAGE - 20
/** More messages are loaded if there are fewer than this between the screen and an edge. */
const PRELOAD = 50
/** Only the messages of the chats that were opened last are kept. */
const CHATS_KEPT = 20
const RETRY_MS = 2_000
/** How long a gap may stay open: most are acks that overtook a push, and close by themselves. */
const GAP_MS = 2_000
const GAP_MAX_MS = 60_000
/** A frame may have 64 KiB. */
const RESUME_MAX_BYTES = 60_000

type Query = { before: number } | { after: number } | { around: number } | 'newest'

export interface TimelineHandlers {
  /** A page was loaded. */
  loaded(messages: readonly Message[]): void
  /** A gap stayed open: some pushed changes are missing. */
  gapStaysOpen(): void
  unauthorized(): void
}

export class Timeline {
  /** What the view shows or waits for; `seq` is null for the newest messages. */
  private view: { id: number; seq: number | null } | null = null
  /** The chats that were opened last, the latest one first. */
  private recent: number[] = []
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
    const { histories, catchingUp, openChatId } = this.store.getState()
    const changed = change(histories.get(id) ?? emptyHistory(null))
    const history = id === openChatId ? changed : trimSegment(changed, Infinity)
    this.store.setState({ histories: withEntry(histories, id, history) })
    if (!hasGap(history)) this.unwatchGap(id)
    else if (!catchingUp) this.watchGap(id)
  }

  remove(id: number): void {
    this.unwatchGap(id)
    this.store.setState({ histories: withoutEntry(this.store.getState().histories, id) })
  }

  // ---- Pages --------------------------------------------------------------------------------

  /** Sets the chat on the screen; null if none. */
  open(id: number | null): void {
    this.store.setState({ openChatId: id })
    if (this.view?.id !== id) this.view = null
    if (id === null) return
    this.recent = [id, ...this.recent.filter((other) => other !== id)]
    for (const old of this.recent.splice(CHATS_KEPT))
      if (this.get(old) !== undefined) this.apply(old, ({ mod }) => emptyHistory(mod))
  }

  /** Loads the messages around `seq`, or the newest ones for null, unless they are loaded. */
  show(id: number, seq: number | null): void {
    this.view = { id, seq }
    void this.loadView()
  }

  /** Loads what the view shows, unless it is loaded or a page is requested. */
  async loadView(): Promise<void> {
    if (this.view === null) return
    const { id, seq } = this.view
    const history = this.get(id)
    if (segmentAt(history, seq) !== undefined || isLoadingPage(history)) return
    const newest = this.store.getState().chats.get(id)?.last_seq ?? 0
    const isNear = seq !== null && newest - seq < NEAR_NEWEST && segmentAt(history, null) === undefined
    const query = seq === null || isNear ? 'newest' : { around: seq }
    if (!(await this.loadPage(id, query)) || this.view?.id !== id) return
    // The view moved on while the page was requested, or the server cut the page before `seq`.
    if (this.view.seq !== seq || isNear) await this.loadView()
  }

  /**
   * The messages from `first` to `last` are on the screen: loads the next page if they are near an edge
   * of their segment, and drops messages that are far from them.
   */
  viewed(id: number, first: number, last: number): void {
    const history = this.get(id)
    const segment = segmentAt(history, first)
    if (history === undefined || segment === undefined) return
    const { messages, from, to } = segment
    const before = indexOfSeq(messages, first)
    const after = messages.length - indexOfSeq(messages, last)
    if (isLoadingPage(history)) return
    if (from > 1 && before < PRELOAD) void this.loadPage(id, { before: from })
    else if (to !== Infinity && after < PRELOAD) void this.loadPage(id, { after: to })
    else if (trimSegment(history, first) !== history) this.apply(id, (h) => trimSegment(h, first))
  }

  /** Loads the newest page also if one is loaded: its messages may be of an earlier time. */
  async refresh(id: number): Promise<void> {
    if (!isLoadingPage(this.get(id))) await this.loadPage(id, 'newest')
  }

  /** Returns false if the page could not be loaded. */
  private async loadPage(id: number, query: Query): Promise<boolean> {
    const { generation } = this
    this.apply(id, beginPage)
    try {
      const page = await this.requestPage(id, query)
      if (generation !== this.generation || !isLoadingPage(this.get(id))) return false
      this.apply(id, (history) => applyPage(history, page))
      this.handlers.loaded(page.messages)
      return true
    } catch (error) {
      if (generation !== this.generation || this.get(id) === undefined) return false
      this.apply(id, failPage)
      this.pageFailed(id, error)
      return false
    }
  }

  /** Reads a page, and finds what it covers. */
  private async requestPage(id: number, query: Query): Promise<Segment> {
    if (query !== 'newest' && 'around' in query) {
      const { messages, more_before, more_after } = await this.api.messagesAround(id, query.around, PAGE)
      return {
        from: more_before ? messages[0]!.seq : 1,
        to: more_after ? messages.at(-1)!.seq : Infinity,
        messages,
      }
    }
    const isNewest = query === 'newest'
    const page = await this.api.messages(id, {
      ...(isNewest ? {} : query),
      limit: isNewest ? PAGE : NEXT_PAGE,
    })
    const messages = [...page.messages].sort((a, b) => a.seq - b.seq)
    if (!isNewest && 'after' in query)
      return { from: query.after + 1, to: page.more ? messages.at(-1)!.seq : Infinity, messages }
    return {
      from: page.more ? messages[0]!.seq : 1,
      to: isNewest ? Infinity : query.before - 1,
      messages,
    }
  }

  private pageFailed(id: number, error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0
    if (status === 401) this.handlers.unauthorized()
    else if (status === 404) this.remove(id)
    else if (this.store.getState().socket === 'ready')
      this.clock.after(RETRY_MS, () => {
        if (this.view?.id === id) void this.loadView()
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
      const to = messages.at(-1)?.seq
      if (generation === this.generation && to !== undefined && segmentAt(this.get(id), before.seq))
        this.apply(id, (h) => applyPage(h, { from: before.seq + 1, to, messages }))
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
    if (this.view?.id === id) void this.loadView()
  }

  reset(): void {
    this.generation++
    this.recent = []
    // A seq of another epoch means nothing.
    if (this.view !== null) this.view = { id: this.view.id, seq: null }
    for (const id of [...this.gapTimers.keys()]) this.unwatchGap(id)
  }
}
