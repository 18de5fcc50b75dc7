import { useEffect } from 'react'
import { t } from '../i18n'
import { messenger } from '../platform'

/** Says that files cannot be sent yet, where the browser would leave the page and open them. */
export function useFileDrop(): void {
  useEffect(() => {
    const hasFiles = (data: DataTransfer | null) => data?.types.includes('Files') ?? false
    const refuse = () => messenger.notices.show('info', t.composer.files)
    const onDragOver = (event: DragEvent) => {
      if (hasFiles(event.dataTransfer)) event.preventDefault()
    }
    const onDrop = (event: DragEvent) => {
      if (!hasFiles(event.dataTransfer)) return
      event.preventDefault()
      refuse()
    }
    const onPaste = ({ clipboardData }: ClipboardEvent) => {
      // Office programs add a picture of the text.
      if (hasFiles(clipboardData) && !clipboardData!.types.includes('text/plain')) refuse()
    }
    addEventListener('dragover', onDragOver)
    addEventListener('drop', onDrop)
    addEventListener('paste', onPaste)
    return () => {
      removeEventListener('dragover', onDragOver)
      removeEventListener('drop', onDrop)
      removeEventListener('paste', onPaste)
    }
  }, [])
}
