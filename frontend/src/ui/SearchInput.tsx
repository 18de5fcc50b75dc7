import type { ComponentProps } from 'react'

interface Props extends ComponentProps<'input'> {
  label: string
  value: string
}

/** A field for what is searched, in the direction of what is typed. The other properties are those of an input. */
export function SearchInput({ label, value, ...rest }: Props) {
  return (
    <input
      type="text"
      inputMode="search"
      autoComplete="off"
      spellCheck={false}
      dir={value === '' ? undefined : 'auto'}
      aria-label={label}
      placeholder={label}
      value={value}
      {...rest}
    />
  )
}
