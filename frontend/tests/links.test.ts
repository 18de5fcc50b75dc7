import { describe, expect, it } from 'vitest'
import { findLinks } from '../src/core/links'
import { LINEAR, growth } from './work'

const links = (text: string) => findLinks(text).map(({ href }) => href)
const texts = (text: string) => findLinks(text).map(({ start, end }) => text.slice(start, end))

describe('links', () => {
  it('are http and https addresses, domains and mail addresses', () => {
    expect(links('see https://example.org/a?b=c#d, and http://x.test.')).toEqual([
      'https://example.org/a?b=c#d',
      'http://x.test/',
    ])
    expect(links('www.example.org.')).toEqual(['https://www.example.org/'])
    expect(links('example.com/a, then (news.example.co.uk) and parley.chat!')).toEqual([
      'https://example.com/a',
      'https://news.example.co.uk/',
      'https://parley.chat/',
    ])
    expect(links('write to ada@example.org.')).toEqual(['mailto:ada@example.org'])
    expect(links('http://localhost:8080/x müller.de пример.рф')).toEqual([
      'http://localhost:8080/x',
      'https://xn--mller-kva.de/',
      'https://xn--e1afmkfd.xn--p1ai/',
    ])
  })

  it('end before the punctuation of the sentence, and keep their own', () => {
    expect(texts('Is it example.com? Yes: example.com.')).toEqual(['example.com', 'example.com'])
    expect(texts('(https://en.wikipedia.org/wiki/C_(language))')).toEqual(['https://en.wikipedia.org/wiki/C_(language)'])
    expect(texts('https://example.org/snake_case_name_')).toEqual(['https://example.org/snake_case_name_'])
  })

  it('are no file names, names in programs or versions, unless these have a path', () => {
    for (const text of ['file.txt', 'node.js', 'main.rs notes.md run.sh x.py libc.so configure.ac', 'user.name', '1.2.3', 'e.g. this', 'end.Begin'])
      expect(links(text)).toEqual([])
    expect(links('docs.rs/serde www.main.rs')).toEqual(['https://docs.rs/serde', 'https://www.main.rs/'])
  })

  it('have no other schemes', () => {
    for (const text of ['javascript:alert(1)', 'data:text/html,x', 'ftp://example.org/', '//example.org/x', 'file:///etc/passwd', 'www.'])
      expect(links(text)).toEqual([])
  })

  it('end before characters that change the order of others', () => {
    expect(texts('https://example.org/\u202egpj.exe')).toEqual(['https://example.org/'])
    expect(texts('ex\u202eample.org https://a\u2066b.test')).toEqual(['ample.org', 'https://a'])
    expect(texts('\u202ehttps://d.test')).toEqual(['https://d.test'])
  })

  it('say their host in ASCII if its letters may look like others', () => {
    const hosts = (text: string) => findLinks(text).map(({ host }) => host)
    expect(hosts('https://аррӏе.com/ https://ɡithub.com gооgle.com')).toEqual([
      'xn--80ak6aa92e.com',
      'xn--ithub-qmc.com',
      'xn--ggle-55da.com',
    ])
    expect(hosts('https://example.org/привет müller.de пример.рф')).toEqual([null, null, null])
  })

  it('are found in linear time', { timeout: 60_000 }, () => {
    for (const unit of ['a', 'a@', 'www.', 'a.com ', 'a.com,', 'a.', 'http://', 'https://a.b/(', ':', '\u202e', 'a_'])
      expect(growth(findLinks, unit), unit).toBeLessThan(LINEAR)
  })
})
