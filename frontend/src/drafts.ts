// What is being written: the unsent text of each chat and thread, the message that it replies to, and the unsaved edit.
// Kept in this browser, by user.

import { createStore } from 'zustand/vanilla'
import type { Message } from './core/types'
import type { Item } from './ui/messages/items'

const SAVE_DELAY_MS = 400

/** The change of a message that is not saved yet. */
export interface Edit {
  item: Item
  text: string
}

/** A chat_id; of a thread `threadKey`. */
export type DraftKey = number | string

/** The key of what is written in the panel of a thread. */
export const threadKey = (messageId: number) => `t${messageId}`

type Values<T> = Readonly<Record<string, T>>

/**
 * One value for each chat. Written to the storage after a delay, because that takes longer than a key press
 * may: only what was changed here, so that tabs do not overwrite each other's values.
 */
class Shelf<T> {
  readonly store = createStore<Values<T>>(() => ({}))
  private userId = 0
  /** The chats whose value is not stored yet. */
  private readonly changed = new Set<string>()
  /** The chat on the screen. Its value is not taken from other tabs: the user writes it here. */
  private held = ''
  /** True if the value of that chat was changed since it is on the screen. */
  private touched = false
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly prefix: string) {}

  open(userId: number): void {
    this.save()
    this.userId = userId
    this.store.setState(this.stored(), true)
  }

  set(chatId: DraftKey, value: T | null): void {
    const { [chatId]: before = null, ...rest } = this.store.getState()
    if (before === value) return
    this.store.setState(value === null ? rest : { ...rest, [chatId]: value }, true)
    this.changed.add(String(chatId))
    if (String(chatId) === this.held) this.touched = true
    this.timer ??= setTimeout(() => this.save(), SAVE_DELAY_MS)
  }

  /** Says which chat is on the screen. */
  hold(chatId: number): void {
    this.held = String(chatId)
    this.touched = false
  }

  release(): void {
    this.save()
    this.held = ''
    this.refresh()
  }

  save(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.changed.size === 0) return
    try {
      localStorage.setItem(this.key, JSON.stringify(merge(this.stored(), this.store.getState(), this.changed)))
      this.changed.clear()
    } catch {
      // Storage is full or disabled: the texts are kept until the page is closed.
    }
  }

  /** Another tab changed the storage. */
  storedElsewhere(key: string | null): void {
    if (key === this.key) this.refresh()
  }

  private refresh(): void {
    if (this.userId === 0) return
    const stored = this.stored()
    const own = new Set(this.changed)
    // What was sent in another tab is removed here too, unless it was continued here.
    if (this.touched || stored[this.held] !== undefined) own.add(this.held)
    this.store.setState(merge(stored, this.store.getState(), own), true)
  }

  erase(userId: number): void {
    this.changed.clear()
    this.userId = 0
    this.store.setState({}, true)
    localStorage.removeItem(this.prefix + userId)
  }

  private get key(): string {
    return this.prefix + this.userId
  }

  private stored(): Values<T> {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? '{}') as Values<T>
    } catch {
      return {}
    }
  }
}

/** Returns `values` with the entries of `ids` as they are in `other`. */
function merge<T>(values: Values<T>, other: Values<T>, ids: Iterable<string>): Values<T> {
  const merged = { ...values }
  for (const id of ids)
    if (other[id] === undefined) delete merged[id]
    else merged[id] = other[id]
  return merged
}

const texts = new Shelf<string>('parley.drafts.')
const changes = new Shelf<Edit>('parley.edits.')
const targets = new Shelf<Message>('parley.replies.')
const shelves = [texts, changes, targets]

export const drafts = texts.store
export const edits = changes.store
export const replies = targets.store

export const setDraft = (key: DraftKey, text: string) => texts.set(key, text === '' ? null : text)
export const setEdit = (key: DraftKey, edit: Edit | null) => changes.set(key, edit)
/** Sets the message that the next one replies to. */
export const setReply = (key: DraftKey, message: Message | null) => targets.set(key, message)

export const openDrafts = (userId: number) => shelves.forEach((shelf) => shelf.open(userId))
export const eraseDrafts = (userId: number) => shelves.forEach((shelf) => shelf.erase(userId))

/** To be called when a chat comes on the screen; the result when it leaves it. */
export function holdDrafts(chatId: number): () => void {
  shelves.forEach((shelf) => shelf.hold(chatId))
  return () => shelves.forEach((shelf) => shelf.release())
}

const saveAll = () => shelves.forEach((shelf) => shelf.save())
addEventListener('pagehide', saveAll)
addEventListener('blur', saveAll)
addEventListener('storage', ({ key }) => shelves.forEach((shelf) => shelf.storedElsewhere(key)))
