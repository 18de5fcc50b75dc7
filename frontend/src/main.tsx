import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { setLanguage } from './i18n'
import { startPlatform } from './platform'
import { prefs } from './prefs'
import { App } from './ui/App'
import { startUpdates } from './updates'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/conversation.css'
import './styles/reactions.css'
import './styles/text.css'
import './styles/dialogs.css'
import './styles/search.css'
import './styles/modes.css'

startPlatform()
if (import.meta.env.PROD) addEventListener('load', () => void startUpdates())
void applyLanguage().then(render)
prefs.subscribe((now, before) => {
  if (now.language !== before.language) void applyLanguage()
})

function render(): void {
  createRoot(document.getElementById('root')!).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}

/** Without its catalogue the page keeps the language that it has. */
function applyLanguage(): Promise<void> {
  return setLanguage(prefs.getState().language).catch(() => {})
}
