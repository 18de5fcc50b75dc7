import { useEffect, useRef } from 'react'
import { savePlace, type Place } from '../../places'

const SAVE_MS = 400

/** Returns a function that keeps where the reader is; null: at the end of the conversation. */
export function usePlace(me: number, chatId: number): (place: Place | null) => void {
  const latest = useRef<Place | null | undefined>(undefined)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  useEffect(() => {
    const save = () => {
      clearTimeout(timer.current)
      if (latest.current !== undefined) savePlace(me, chatId, latest.current)
      latest.current = undefined
    }
    addEventListener('pagehide', save)
    return () => {
      removeEventListener('pagehide', save)
      save()
    }
  }, [me, chatId])

  return (place) => {
    latest.current = place
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      savePlace(me, chatId, place)
      latest.current = undefined
    }, SAVE_MS)
  }
}
