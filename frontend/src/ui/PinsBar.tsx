import { useState } from 'react'
import type { Message } from '../core/types'
import { t } from '../i18n'
import { messenger } from '../platform'
import { messageText, senderName } from './format'
import { useAppState } from './hooks'
import { Pin, X } from './icons'

const NONE: readonly Message[] = []

interface Props {
  chatId: number
  mayUnpin: boolean
  onJump: (seq: number) => void
}

/** The pinned messages above a conversation: one at a time, and a click goes there and shows the next one. */
export function PinsBar({ chatId, mayUnpin, onJump }: Props) {
  const pins = useAppState((state) => state.pins.get(chatId)) ?? NONE
  const people = useAppState((state) => state.people)
  const [turn, setTurn] = useState(0)
  if (pins.length === 0) return null
  const at = turn % pins.length
  const pin = pins[at]!
  return (
    <section className="pins" aria-label={t.pins.label}>
      <button
        className="pins-jump"
        aria-label={t.pins.jump(at + 1, pins.length, senderName(people, pin.sender_id), messageText(pin))}
        onClick={() => {
          onJump(pin.seq)
          setTurn(at + 1)
        }}
      >
        <Pin aria-hidden />
        <span className="pins-text">
          <b>{pins.length === 1 ? t.pins.one : t.pins.nth(at + 1, pins.length)}</b>
          <bdi>{messageText(pin)}</bdi>
        </span>
      </button>
      {mayUnpin && (
        <button
          className="icon-button"
          aria-label={t.pins.unpin}
          title={t.pins.unpin}
          onClick={() => messenger.operations.pin(pin, false)}
        >
          <X aria-hidden />
        </button>
      )}
    </section>
  )
}
