export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden>
      <rect className="logo-ground" width="32" height="32" rx="9" />
      <path
        className="logo-mark"
        d="M9 8.5h9.5a6 6 0 0 1 0 12H14l-4.2 3.6a.5.5 0 0 1-.8-.4z"
      />
    </svg>
  )
}
