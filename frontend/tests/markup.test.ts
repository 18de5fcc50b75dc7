import { describe, expect, it } from 'vitest'
import { hasMarkup, parseMarkup, parsePlain, plainText, type Block, type Inline, type List } from '../src/core/markup'
import { LINEAR, growth } from './work'

/** A short form of a tree: <b>, <i>, <s>, <code>, <a> with the address, and blocks in square brackets. */
function short(blocks: readonly Block[]): string {
  return blocks
    .map((block) => {
      switch (block.kind) {
        case 'text':
          return inline(block.children)
        case 'code':
          return `[code ${block.language}:${block.text}]`
        case 'quote':
          return `[quote ${short(block.children)}]`
        case 'list':
          return list(block)
      }
    })
    .join('')
}
const list = ({ ordered, items }: List): string =>
  `[${items.map((item) => `${ordered ? `${item.value}.` : '-'} ${inline(item.children)}${item.lists.map(list).join('')}`).join('|')}]`
const inline = (nodes: readonly Inline[]): string =>
  nodes
    .map((node) => {
      const content = node.children === null ? node.text : inline(node.children)
      const tag = { text: '', code: 'code', strong: 'b', em: 'i', del: 's', link: 'a' }[node.kind]
      if (node.kind === 'link') return `<a ${node.href}${node.host === null ? '' : ` ${node.host}`}>${content}</a>`
      return tag === '' ? content : `<${tag}>${content}</${tag}>`
    })
    .join('')

function shows(cases: Record<string, string>): void {
  for (const [text, tree] of Object.entries(cases)) expect(short(parseMarkup(text)), text).toBe(tree)
}
const isText = (...texts: string[]) => shows(Object.fromEntries(texts.map((text) => [text, text])))

describe('within a paragraph', () => {
  it('markers make words bold, italic, struck out or code', () => {
    shows({
      '**bold** *italic* _italic_ ~~gone~~ `code`': '<b>bold</b> <i>italic</i> <i>italic</i> <s>gone</s> <code>code</code>',
      '***both***, ***bold** italic*, ***italic* bold**': '<b><i>both</i></b>, <i><b>bold</b> italic</i>, <b><i>italic</i> bold</b>',
      '**bold and *italic***, *italic and **bold***': '<b>bold and <i>italic</i></b>, <i>italic and <b>bold</b></i>',
      '_**a**_ *_b_* ~~**c**~~ ("*d*")': '<i><b>a</b></i> <i><i>b</i></i> <s><b>c</b></s> ("<i>d</i>")',
      '**two\nlines**': '<b>two\nlines</b>',
      '**Note:** this. **yes**/**no**': '<b>Note:</b> this. <b>yes</b>/<b>no</b>',
      '这是**重点**内容, 중요**한**것, ที่**สำคัญ**มาก': '这是<b>重点</b>内容, 중요<b>한</b>것, ที่<b>สำคัญ</b>มาก',
      '😀*a*😀 «**б**»': '😀<i>a</i>😀 «<b>б</b>»',
    })
  })

  it('what has no end, or is not at the edge of a word, is text', () => {
    isText(
      '*a', 'a*', '**a', '_a', '~~a', '`a', '*a\n\nb*', '**', '****', '** a **', '_ a _', '[a]', '[a](', '[a]()',
      '2*3*4', '2 * 3 * 4', '5*3=15 and 4*2', 'x**2 + y**2', 'a**b**c', 'char *a, *b', 'f(*args, **kwargs)', '*.txt and *.md',
      'snake_case_name', '__init__.py', '_x_.py', '/a/_b_/c', 'C:\\_x_\\y', '@_ada_ #_b_', '_foo_bar', '¯\\_(ツ)_/¯',
      '~5 to ~10', '~/a and ~/b', '~a~', '/*a*/', '# Title', '---', '| a | b |', '<b>x</b> &amp; &lt;', '\\*a\\*',
    )
    shows({ '*a **b* c**': '<i>a **b</i> c**', '_snake_case_': '<i>snake_case</i>', '**a *b**': '<b>a *b</b>', '*a*b*': '<i>a*b</i>' })
  })

  it('code keeps everything', () => {
    shows({
      '`**a** _b_ https://a.test <b>`': '<code>**a** _b_ https://a.test <b></code>',
      '``a ` b`` and `` `c` ``': '<code>a ` b</code> and <code>`c`</code>',
      '*a `b* c`': '*a <code>b* c</code>',
      '`a``b`': '<code>a``b</code>',
      '```one line```': '<code>one line</code>',
      '`  `': '<code>  </code>',
    })
  })

  it('an address is one whole, also beside markers', () => {
    const a = (text: string) => `<a ${text}>${text}</a>`
    shows({
      'https://a.test/snake_case_x*y*z~~': a('https://a.test/snake_case_x*y*z~~'),
      '**https://a.test/x** *https://a.test/x* _https://a.test/x_': `<b>${a('https://a.test/x')}</b> <i>${a('https://a.test/x')}</i> <i>${a('https://a.test/x')}</i>`,
      '~~https://a.test/x~~ **(see https://a.test/x)**': `<s>${a('https://a.test/x')}</s> <b>(see ${a('https://a.test/x')})</b>`,
      '_a_ https://a.test/x_': `<i>a</i> ${a('https://a.test/x_')}`,
      '*example.com*': '<i><a https://example.com/>example.com</a></i>',
      '*a https://a.test/* b*': `<i>a ${a('https://a.test/')}</i> b*`,
    })
  })

  it('a named link says where it leads', () => {
    shows({
      '[the *page*](https://a.test/x_(y)), [me](a@b.test)': '<a https://a.test/x_(y) a.test>the <i>page</i></a>, <a mailto:a@b.test a@b.test>me</a>',
      '**[a](example.com)**': '<b><a https://example.com/ example.com>a</a></b>',
      '[[a](https://a.test/)': '[<a https://a.test/ a.test>a</a>',
      '*a [b* c](https://a.test/)': '<i>a [b</i> c](<a https://a.test/>https://a.test/</a>)',
      '[*a](https://a.test/) b*': '<a https://a.test/ a.test>*a</a> b*',
    })
  })

  it('a link has no name of blanks, no other address as its name, and no other scheme', () => {
    shows({
      '[https://bank.test/](https://evil.test/)': '[<a https://bank.test/>https://bank.test/</a>](<a https://evil.test/>https://evil.test/</a>)',
      '[\u200b ](https://a.test/)': '[\u200b ](<a https://a.test/>https://a.test/</a>)',
    })
    isText('[a](javascript:alert(1))', '[a](data:text/html,x)', '[a](/users/me)', '[a](//a)', '![a](x.png)')
  })
})

describe('blocks', () => {
  it('keep the line breaks, spaces and blank lines of text', () => {
    isText('a\nb', 'a\n\n\n  b  c\n', '  a', '\n', '')
  })

  it('are code between fences, with a language', () => {
    shows({
      'a\n```js\nlet *x* = `y`\n\n  z\n```\nb': 'a[code js:let *x* = `y`\n\n  z]b',
      '````\n```\n````': '[code :```]',
      '```SELECT 1\nFROM x\n```': '[code :SELECT 1\nFROM x]',
      '```\n```': '[code :]',
      '```\ncode```': '<code>\ncode</code>',
    })
    isText('```\nno end', '```js\n``\n')
  })

  it('are quotes, in quotes at most three deep', () => {
    shows({
      '> a\n> > b\n>\n> - c\nd': '[quote a[quote b][- c]]d',
      '> > > > > a': '[quote [quote [quote > > a]]]',
      '> ```\n> x\n> ```': '[quote [code :x]]',
    })
    isText('>_<', '>:(', '>= 5', '>50%', '>>> import x', 'a > b')
  })

  it('are lists, which keep their numbers', () => {
    shows({
      'a:\n- b\n* **c**\n- [ ] d\ne': 'a:[- b|- <b>c</b>|- [ ] d]e',
      '3. a\n5) b\n- c': '[3. a|5. b][- c]',
      '- a\n  more\n  - b\n    - c\n      - d\n- e': '[- a\nmore[- b[- c|- d]]|- e]',
      '1. a\n   - b\n   - c\n2. d': '[1. a[- b|- c]|2. d]',
      '• a\n• b': '[- a|- b]',
      '- a\n\n- b': '[- a][- b]',
    })
    isText('-5 degrees', '-', '- ', '1.5 l', '01. Jan', '+ 1', '1234567890. a', '*a', '-- a')
  })

  it('drop blank lines only beside code, quotes and lists', () => {
    shows({ 'a\n\n\nb\n\n- c\n\nd\n\n\ne': 'a\n\n\nb[- c]d\n\n\ne' })
  })
})

describe('a text that is cut', () => {
  it('has code up to its end, and no link there', () => {
    expect(short(parseMarkup('```js\nlet x', true))).toBe('[code js:let x]')
    expect(short(parseMarkup('https://a.test/ https://a.te', true))).toBe('<a https://a.test/>https://a.test/</a> https://a.te')
    expect(short(parsePlain('https://a.te', true))).toBe('https://a.te')
  })
})

it('a text as it was written has links only', () => {
  const text = '> **a** example.com `b`'
  expect(short(parsePlain(text))).toBe('> **a** <a https://example.com/>example.com</a> `b`')
  expect([text, 'a **b**', 'a\n- b', '[a](b.com)'].map((s) => hasMarkup(parseMarkup(s)))).toEqual([true, true, true, true])
  expect(['a', 'example.com', 'a * b'].map((s) => hasMarkup(parseMarkup(s)))).toEqual([false, false, false])
})

it('the words of a text are without markers', () => {
  expect(plainText(parseMarkup('**a** [b](c.com)\n> _d_\n- e\n  - f\n```x\ng\n```'))).toBe('a b\nd\ne\nf\ng')
})

describe('hostile texts', () => {
  const UNITS = [
    '*', '`', '[', ']', '>', '> ', '- ', '\n', ' ', '*a ', 'a* ', '_a ', 'a_ ', '*a **b ~~c ', '*_', '*_**~~', '***a** ', '这*', '`a``b', '`a`` ',
    '[a](', '[](', '[a](b.com', '[a](b.com)', '](b.com)', '*[a*](b.com)', 'b.com_ ', '*b.com*', '\u202e', 'a@b.com ',
    '> > > > \n', '- a\n', '  - a\n', '1. a\n- b\n', '- a\n  b\n', '```\n', '```a\n', '````\n```\n', '\n\n', ' \n', '> ```\n',
  ]
  for (const unit of UNITS)
    it(`of ${JSON.stringify(unit)} take linear time`, { timeout: 60_000 }, () => {
      expect(growth(parseMarkup, unit)).toBeLessThan(LINEAR)
    })

  it('with runs of all lengths take linear time', { timeout: 60_000 }, () => {
    const runs = (size: number) => {
      const parts = []
      for (let i = 1, length = 0; length < size; length += i++ + 2) parts.push('`'.repeat(i), 'a\n')
      return parts.join('')
    }
    expect(growth((text) => parseMarkup(runs(text.length)), 'x')).toBeLessThan(LINEAR)
    expect(growth((text) => parseMarkup(runs(text.length).split('\n').reverse().join('\n')), 'x')).toBeLessThan(LINEAR)
  })

  it('make trees of bounded depth, and lose no letter', { timeout: 60_000 }, () => {
    let seed = 1
    const random = (n: number) => (seed = (seed * 48_271) % 2_147_483_647) % n
    const pieces = [...UNITS.filter((unit) => !unit.includes('](')), 'word', ' ', '\n', '\n> ', '\n- ', '\n  - ', '*(', ')*', '**"']
    for (let i = 0; i < 200; i++) {
      const text = Array.from({ length: 40 }, () => pieces[random(pieces.length)]).join('')
      const blocks = parseMarkup(text)
      if (depthOf(blocks) > 20) expect.fail(text)
      if (letters(plainText(blocks)) + languages(blocks) !== letters(text)) expect.fail(text)
    }
  })
})

const letters = (text: string) => text.replace(/[^a-z]/g, '').length
/** The letters in the names of languages. */
const languages = (blocks: readonly Block[]): number =>
  blocks.reduce((sum, block) => {
    if (block.kind === 'code') return sum + letters(block.language)
    return block.kind === 'quote' ? sum + languages(block.children) : sum
  }, 0)
function depthOf(nodes: readonly object[]): number {
  const childrenOf = (node: object) => Object.values(node).filter((field) => Array.isArray(field)) as object[][]
  return nodes.reduce((depth, node) => Math.max(depth, ...childrenOf(node).map((children) => 1 + depthOf(children))), 0)
}
