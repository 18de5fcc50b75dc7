// The sources: no text stands outside of the catalogues, no style depends on the direction of the text.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../src', import.meta.url))
const files = (readdirSync(root, { recursive: true }) as string[]).map(String)
const parse = (name: string, source: string) =>
  ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX)
/** The sources that use the catalogues. */
const sources = files
  .filter((name) => /\.tsx?$/.test(name) && !name.startsWith('i18n'))
  .map((name) => parse(name, readFileSync(join(root, name), 'utf8')))

/** Attributes, and members of objects, that are shown or read aloud. */
const SHOWN = /^(aria-(label|description|roledescription|valuetext|placeholder)|title|placeholder|alt|label|hint|more|text|message|body|confirmLabel|summary)$/
/** Functions that show their last argument. */
const SHOWING = /^(show|alert|confirm|prompt|setText|setError|Notification)$/
/** Not a word of any language. */
const ALLOWED = new Set(['https://'])

/** The texts with letters in a source that a user would see. */
function shownTexts(file: ts.SourceFile): string[] {
  const found: string[] = []
  const add = (text: string) => {
    if (/\p{L}/u.test(text) && !ALLOWED.has(text)) found.push(text.trim())
  }
  /** Adds the literals that are values of the expression. */
  const addValues = (node: ts.Node | undefined): void => {
    if (node === undefined) return
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) add(node.text)
    else if (ts.isTemplateExpression(node)) {
      add([node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join(''))
      for (const span of node.templateSpans) addValues(span.expression)
    } else if (ts.isConditionalExpression(node)) {
      addValues(node.whenTrue)
      addValues(node.whenFalse)
    } else if (ts.isBinaryExpression(node)) {
      const operator = node.operatorToken.kind
      if (operator === ts.SyntaxKind.PlusToken || operator === ts.SyntaxKind.BarBarToken) addValues(node.left)
      if (operator === ts.SyntaxKind.QuestionQuestionToken) addValues(node.left)
      if (operator <= ts.SyntaxKind.LastBinaryOperator && !isComparison(operator)) addValues(node.right)
    } else if (ts.isParenthesizedExpression(node) || ts.isJsxExpression(node)) addValues(node.expression)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node)) add(node.text)
    else if (ts.isJsxExpression(node) && !ts.isJsxAttribute(node.parent)) addValues(node)
    else if (ts.isJsxAttribute(node) && SHOWN.test(node.name.getText(file))) addValues(node.initializer)
    else if (ts.isPropertyAssignment(node) && SHOWN.test(node.name.getText(file))) addValues(node.initializer)
    else if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const called = ts.isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression
      if (SHOWING.test(called.getText(file))) addValues(node.arguments?.at(called.getText(file) === 'Notification' ? 0 : -1))
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** `calc(1px + env(x)) 2px` → `calc 2px`. */
function withoutArguments(style: string): string {
  const shorter = style.replace(/\([^()]*\)/g, '')
  return shorter === style ? style : withoutArguments(shorter)
}

function isComparison(operator: ts.SyntaxKind): boolean {
  return [
    ts.SyntaxKind.EqualsEqualsEqualsToken,
    ts.SyntaxKind.ExclamationEqualsEqualsToken,
    ts.SyntaxKind.InKeyword,
  ].includes(operator)
}

it('finds the texts of a source', () => {
  const source = `
    const a = <p title="One" className="two words" aria-label={\`Three \${n}\`}>Four {'Five'} {open ? 'Six' : t.seven}</p>
    const b = <i data-key="eight">: · {kind === 'nine' && <b />} {name || 'Ten'} {t.eleven('twelve')}</i>
    notices.show('info', 'Thirteen'); openConfirmation({ title: 'Fourteen', kind: 'fifteen' })
    new Notification('Sixteen', { body: 'Seventeen', tag: 'eighteen' }); add({ text: 'a' + b })`
  expect(shownTexts(parse('sample.tsx', source)).sort()).toEqual(
    ['One', 'Three', 'Four', 'Five', 'Six', 'Ten', 'Thirteen', 'Fourteen', 'Sixteen', 'Seventeen', 'a'].sort(),
  )
})

it('has no text outside of the catalogues', () => {
  const found = sources.flatMap((file) => shownTexts(file).map((text) => `${file.fileName}: ${text}`))
  expect(found).toEqual([])
  expect(sources.length).toBeGreaterThan(60)
})

it('uses texts inside of functions only, so that they change with the language', () => {
  const frozen = sources.flatMap((file) => {
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) || ts.isImportDeclaration(node)) return
      if (ts.isIdentifier(node) && (node.text === 't' || node.text === 'dates')) found.push(`${file.fileName}: ${node.parent.getText()}`)
      ts.forEachChild(node, visit)
    }
    visit(file)
    return found
  })
  expect(frozen).toEqual([])
})

it('has styles that are mirrored with the direction of the text', () => {
  const physical =
    /(?:^|[\s;{])(?:(?:margin|padding|border)-(?:left|right)\b[\w-]*|left|right|(?:text-align|float|clear):\s*(?:left|right))\s*[:;]/
  const sides = /(?:padding|margin|inset|border-width):\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+);/
  const found = files
    .filter((file) => file.endsWith('.css'))
    .flatMap((file) => readFileSync(join(root, file), 'utf8').split('\n').map((line) => `${file}: ${line.trim()}`))
    .filter((line) => {
      const four = sides.exec(withoutArguments(line))
      return physical.test(line.replace(/^[^:]*: /, ' ')) || (four !== null && four[2] !== four[4])
    })
  expect(found).toEqual([])
})
