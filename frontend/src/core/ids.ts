/**
 * Returns a new client_id: 128 random bits in hex. crypto.randomUUID exists on https pages only, and a
 * server on a home network often has plain http.
 */
export function newClientId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}
