/**
 * True if the key belongs to an input method. Safari sends the Enter that takes a candidate after
 * `compositionend`, marked only by its keyCode.
 */
export const isComposing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229
