import { lazy, Suspense } from 'react'
import type { Block, Inline, List } from '../../core/markup'
import { t } from '../../i18n'
import { copyText } from '../copy'
import { Copy } from '../icons'

/** Loaded with the first code block that has a language. Without it, code has no colours. */
const Highlighted = lazy(() =>
  import('./Highlighted').catch(() => ({ default: ({ text }: { text: string; language: string }) => <>{text}</> })),
)

/** The blocks of a text. Text has no element of its own, so that what follows the last line can stand in it. */
export function Markup({ blocks }: { blocks: readonly Block[] }) {
  return blocks.map((block, i) => {
    switch (block.kind) {
      case 'text':
        return <Inlines key={i} nodes={block.children} />
      case 'code':
        return <CodeBlock key={i} text={block.text} language={block.language} />
      case 'quote':
        return (
          <blockquote key={i} dir="auto">
            <Markup blocks={block.children} />
          </blockquote>
        )
      case 'list':
        return <ListBlock key={i} list={block} />
    }
  })
}

function ListBlock({ list }: { list: List }) {
  const Tag = list.ordered ? 'ol' : 'ul'
  return (
    <Tag dir="auto" className={list.items.some(({ value }) => value > 99) ? 'wide-numbers' : undefined}>
      {list.items.map((item, i) => (
        <li key={i} value={list.ordered ? item.value : undefined}>
          <Inlines nodes={item.children} />
          {item.lists.map((inner, j) => (
            <ListBlock key={j} list={inner} />
          ))}
        </li>
      ))}
    </Tag>
  )
}

function CodeBlock({ text, language }: { text: string; language: string }) {
  return (
    <div className="code-block" dir="ltr">
      <div className="code-head">
        <bdi>{language}</bdi>
        <button
          className="code-copy"
          tabIndex={-1}
          data-inner
          aria-label={t.message.copyCode}
          title={t.message.copyCode}
          onClick={() => void copyText(text)}
        >
          <Copy aria-hidden />
        </button>
      </div>
      <pre>
        <code>
          {language === '' ? (
            text
          ) : (
            <Suspense fallback={text}>
              <Highlighted text={text} language={language} />
            </Suspense>
          )}
        </code>
      </pre>
    </div>
  )
}

const EMPHASIS = { strong: 'strong', em: 'em', del: 'del' } as const

function Inlines({ nodes }: { nodes: readonly Inline[] }) {
  return nodes.map((node, i) => {
    switch (node.kind) {
      case 'text':
        return <span key={i}>{node.text}</span>
      case 'code':
        return <code key={i}>{node.text}</code>
      case 'link':
        return (
          <a
            key={i}
            href={node.href}
            target="_blank"
            rel="noopener noreferrer nofollow"
            title={node.host === null ? undefined : node.href}
            dir={node.children === null ? 'ltr' : 'auto'}
            tabIndex={-1}
            data-inner
          >
            {node.children === null ? (
              node.text
            ) : (
              // Controls in the name have no effect on the host.
              <bdi>
                <Inlines nodes={node.children} />
              </bdi>
            )}
            {node.host !== null && (
              <bdi className="link-host" dir="ltr">
                {` (${node.host})`}
              </bdi>
            )}
          </a>
        )
      default: {
        const Tag = EMPHASIS[node.kind]
        return (
          <Tag key={i}>
            <Inlines nodes={node.children} />
          </Tag>
        )
      }
    }
  })
}
