/**
 * A new client_id: 128 random bits in hex. crypto.randomUUID is not used because it exists on https
 * pages only, and a chat on a home network is often plain http.
 */
export function newClientId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}
