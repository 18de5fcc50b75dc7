import type { Catalogue } from './en'

/** A catalogue in another language. A text that it lacks is shown in English, and fails a test. */
export type Translation = Parts<Catalogue>

type Parts<T> = { [K in keyof T]?: T[K] extends (...values: never) => string ? T[K] : T[K] extends object ? Parts<T[K]> : T[K] }
