// The colours of code. Loaded by Markup, because the grammars are large.

import bash from 'highlight.js/lib/languages/bash'
import c from 'highlight.js/lib/languages/c'
import cpp from 'highlight.js/lib/languages/cpp'
import csharp from 'highlight.js/lib/languages/csharp'
import css from 'highlight.js/lib/languages/css'
import diff from 'highlight.js/lib/languages/diff'
import go from 'highlight.js/lib/languages/go'
import ini from 'highlight.js/lib/languages/ini'
import java from 'highlight.js/lib/languages/java'
import javascript from 'highlight.js/lib/languages/javascript'
import json from 'highlight.js/lib/languages/json'
import kotlin from 'highlight.js/lib/languages/kotlin'
import lua from 'highlight.js/lib/languages/lua'
import php from 'highlight.js/lib/languages/php'
import python from 'highlight.js/lib/languages/python'
import ruby from 'highlight.js/lib/languages/ruby'
import rust from 'highlight.js/lib/languages/rust'
import shell from 'highlight.js/lib/languages/shell'
import sql from 'highlight.js/lib/languages/sql'
import swift from 'highlight.js/lib/languages/swift'
import typescript from 'highlight.js/lib/languages/typescript'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'
import { createLowlight } from 'lowlight'
import { useMemo } from 'react'

/** XML and HTML, in which scripts and styles have no colours: `<script><script>…` takes seconds. */
const markup: typeof xml = (hljs) => {
  const grammar = xml(hljs)
  return { ...grammar, contains: grammar.contains.filter((mode) => mode.starts === undefined) }
}

const lowlight = createLowlight({
  bash, c, cpp, csharp, css, diff, go, ini, java, javascript, json, kotlin, lua, php, python, ruby, rust, shell, sql,
  swift, typescript, xml: markup, yaml,
})

type Tree = ReturnType<typeof lowlight.highlight>
type Node = Tree['children'][number]

/** The grammars are regular expressions of others, some of which take quadratic time. Longer code has no colours. */
const MAX_CHARS = 2_000

interface Piece {
  text: string
  className: string | undefined
}

export default function Highlighted({ text, language }: { text: string; language: string }) {
  const pieces = useMemo(() => highlight(text, language), [text, language])
  return (
    <>
      {pieces.map(({ text, className }, i) => (
        <span key={i} className={className}>
          {text}
        </span>
      ))}
    </>
  )
}

/** Divides code into pieces, each with the class of its colour. */
export function highlight(text: string, language: string): Piece[] {
  const name = language.toLowerCase()
  if (text.length > MAX_CHARS || !lowlight.registered(name)) return [{ text, className: undefined }]
  return flatten(lowlight.highlight(name, text))
}

/** The innermost class counts. The depth of the tree is not bounded. */
function flatten(tree: Tree): Piece[] {
  const pieces: Piece[] = []
  const rest: { node: Node; className: string | undefined }[] = []
  const add = (children: readonly Node[], className: string | undefined) => {
    for (const node of [...children].reverse()) rest.push({ node, className })
  }
  add(tree.children, undefined)
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { node, className } = next
    if (node.type === 'text') pieces.push({ text: node.value, className })
    else if (node.type === 'element') {
      const own = node.properties.className
      add(node.children, Array.isArray(own) ? String(own[0]) : className)
    }
  }
  return pieces
}
