import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { t } from './i18n'
import { startPlatform } from './platform'
import { App } from './ui/App'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/conversation.css'
import './styles/dialogs.css'

document.documentElement.lang = t.locale
document.documentElement.dir = t.dir

startPlatform()
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
