import { t } from '../i18n'
import { messenger } from '../platform'

/** Copies a text to the clipboard, and says so. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) await navigator.clipboard.writeText(text)
  else {
    // navigator.clipboard exists on https pages only.
    const field = document.createElement('textarea')
    field.value = text
    document.body.append(field)
    field.select()
    document.execCommand('copy')
    field.remove()
  }
  messenger.notices.show('info', t.message.copied)
}
