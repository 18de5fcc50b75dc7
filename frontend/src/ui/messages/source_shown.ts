// The messages that are shown as they were written, by the key of their row.

import { createStore } from 'zustand/vanilla'

export const sourceShown = createStore<ReadonlySet<string>>(() => new Set())

export function toggleSource(key: string): void {
  const keys = new Set(sourceShown.getState())
  if (!keys.delete(key)) keys.add(key)
  sourceShown.setState(keys, true)
}
