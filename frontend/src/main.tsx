import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { t } from './i18n'
import { startPlatform } from './platform'
import { App } from './ui/App'
import { startUpdates } from './updates'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/conversation.css'
import './styles/dialogs.css'
import './styles/modes.css'

document.documentElement.lang = t.locale
document.documentElement.dir = t.dir

startPlatform()
if (import.meta.env.PROD) addEventListener('load', () => void startUpdates())
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
