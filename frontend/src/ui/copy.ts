import { t } from '../i18n'
import { messenger } from '../platform'

/** Copies a text to the clipboard, and says so. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) {
    try {
      await navigator.clipboard.writeText(text)
    } catch {
      messenger.notices.show('error', t.errors.unknown)
      return
    }
  } else {
    // navigator.clipboard exists on https pages only.
    const field = document.createElement('textarea')
    field.value = text
    // What is outside of a modal dialog cannot be selected.
    const parent = document.querySelector('dialog[open]') ?? document.body
    parent.append(field)
    field.select()
    document.execCommand('copy')
    field.remove()
  }
  messenger.notices.show('info', t.message.copied)
}
