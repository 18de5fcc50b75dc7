interface Props {
  label: string
  more: string
  on: boolean
  disabled?: boolean
  onChange: () => void
}

export function Switch({ label, more, on, disabled, onChange }: Props) {
  return (
    <label className="switch">
      <span>
        {label}
        <small>{more}</small>
      </span>
      <input type="checkbox" role="switch" checked={on} disabled={disabled} onChange={onChange} />
    </label>
  )
}
