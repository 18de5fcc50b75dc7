import { useMemo } from 'react'
import type { Chat } from '../../core/types'
import { useAppState, useMe } from '../hooks'

/** Returns the seq up to which all other members have read; 0 if not all members are known. */
export function useReadByAll(chat: Chat): number {
  const me = useMe()
  const group = useAppState((state) => state.groups.get(chat.chat_id))
  return useMemo(() => {
    if (chat.kind === 'direct') return chat.peer_read_seq ?? 0
    if (group === undefined || group.next !== null) return 0
    const others = group.members.filter((member) => member.user_id !== me.user_id)
    return others.length === 0 ? 0 : Math.min(...others.map((member) => member.read_seq))
  }, [chat.kind, chat.peer_read_seq, group, me.user_id])
}
