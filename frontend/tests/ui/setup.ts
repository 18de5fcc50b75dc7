// What the components use and jsdom lacks.

window.matchMedia ??= () => ({ matches: true }) as MediaQueryList
globalThis.CSS ??= { supports: () => true, escape: (text: string) => text } as unknown as typeof CSS

const dialog = HTMLDialogElement.prototype
dialog.showModal ??= function (this: HTMLDialogElement) {
  this.open = true
}
dialog.close ??= function (this: HTMLDialogElement) {
  this.open = false
}
