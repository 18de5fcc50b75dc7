// Compares core/types.ts with the server's own description, so that a property or frame that is
// added on one side only fails here. Properties that one side lacks on purpose are listed below.

import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

/** Properties that only the page has. */
const PAGE_ONLY: Record<string, readonly string[]> = {
  Message: ['partial', 'reacted'],
  Chat: ['activity'],
  Group: ['stale'],
}
/** Properties that the page does not use, and therefore does not declare. */
const SERVER_ONLY: Record<string, readonly string[]> = {}
/** Frames that the page ignores. */
const IGNORED_FRAMES: readonly string[] = []

// ---- The page: core/types.ts -------------------------------------------------------------------

/** Property → true if it is optional. */
type Properties = Map<string, boolean>

const source = ts.createSourceFile(
  'types.ts',
  readFileSync(new URL('../src/core/types.ts', import.meta.url), 'utf8'),
  ts.ScriptTarget.Latest,
)

function declaration(name: string): ts.InterfaceDeclaration | ts.TypeAliasDeclaration {
  for (const statement of source.statements)
    if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
      if (statement.name.text === name) return statement
  throw new Error(`types.ts does not declare ${name}`)
}

/** The members of an interface, an object type, or an intersection of such. */
function membersOf(node: ts.TypeNode | ts.InterfaceDeclaration): ts.PropertySignature[] {
  if (ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node))
    return node.members.filter((member) => ts.isPropertySignature(member))
  if (ts.isParenthesizedTypeNode(node)) return membersOf(node.type)
  if (ts.isIntersectionTypeNode(node)) return node.types.flatMap(membersOf)
  if (!ts.isTypeReferenceNode(node)) throw new Error(`unexpected ${ts.SyntaxKind[node.kind]}`)
  const named = declaration(node.typeName.getText(source))
  return membersOf(ts.isInterfaceDeclaration(named) ? named : named.type)
}

function propertiesOf(node: ts.TypeNode | ts.InterfaceDeclaration): Properties {
  return new Map(
    membersOf(node).map((member) => [
      member.name.getText(source),
      member.questionToken !== undefined,
    ]),
  )
}

/** The frames of the union ServerFrame, by their type. */
function pageFrames(): Map<string, Properties> {
  const union = (declaration('ServerFrame') as ts.TypeAliasDeclaration).type as ts.UnionTypeNode
  return new Map(
    union.types.map((node) => {
      const type = membersOf(node).find((member) => member.name.getText(source) === 'type')!
      const properties = propertiesOf(node)
      properties.delete('type')
      return [type.type!.getText(source).slice(1, -1), properties]
    }),
  )
}

// ---- The server: the OpenAPI schemas and docs/api.md --------------------------------------------

interface Schema {
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  oneOf?: Schema[]
}

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

const schemas = JSON.parse(read('daemon/api/openapi_schemas.json')) as Record<string, Schema>

const SCHEMA_OF: Record<string, Schema> = {
  User: schemas.user!,
  Message: schemas.message!,
  Chat: schemas.chat!,
  Group: schemas.group!,
  Member: schemas.group!.properties!.members!.items!,
  Presence: schemas.presences!.properties!.presence!.items!,
}

/** All properties of a schema, with those of its alternatives. */
function schemaProperties({ properties = {}, oneOf = [] }: Schema): string[] {
  return [...new Set([...Object.keys(properties), ...oneOf.flatMap(schemaProperties)])]
}

/** True if every object of the schema has the property. */
function isRequired({ required = [], oneOf = [] }: Schema, name: string): boolean {
  return required.includes(name) || (oneOf.length > 0 && oneOf.every((one) => isRequired(one, name)))
}

/**
 * The frames of the table "Server to client" in docs/api.md: type → property → true if it is optional. `…message` among the
 * fields stands for all properties of a message, and so on.
 */
function documentedFrames(): Map<string, Properties> {
  const section = /^#### Server to client$([^]*?)(?=^#+ )/m.exec(read('docs/api.md'))
  if (section === null) throw new Error('docs/api.md has no section "Server to client"')
  const frames = new Map<string, Properties>()
  for (const [, type, fields] of section[1]!.matchAll(/^\| `(\w+)` \|([^|]*)\|/gm)) {
    const properties: Properties = new Map()
    for (const [, name, optional] of fields!.matchAll(/`(\w+)`(\??)/g))
      properties.set(name!, optional === '?')
    for (const [, name] of fields!.matchAll(/…(\w+)/g))
      for (const property of schemaProperties(schemas[name!]!))
        properties.set(property, !isRequired(schemas[name!]!, property))
    frames.set(type!, properties)
  }
  return frames
}

// ---- The tests -----------------------------------------------------------------------------------

const without = (names: Iterable<string>, excluded: Iterable<string> = []) => {
  const set = new Set(excluded)
  return [...names].filter((name) => !set.has(name)).sort()
}

describe('objects', () => {
  for (const [name, schema] of Object.entries(SCHEMA_OF)) {
    const page = propertiesOf(declaration(name) as ts.InterfaceDeclaration)

    it(`${name} has the properties of the server's schema`, () => {
      expect(without(page.keys(), PAGE_ONLY[name])).toEqual(
        without(schemaProperties(schema), SERVER_ONLY[name]),
      )
    })

    it(`${name} requires only properties that the schema requires`, () => {
      const required = [...page.keys()].filter((property) => page.get(property) === false)
      expect(required.filter((property) => !isRequired(schema, property))).toEqual([])
    })
  }
})

describe('frames of the server', () => {
  const page = pageFrames()
  const documented = documentedFrames()

  it('have the types of docs/api.md', () => {
    expect(without(page.keys())).toEqual(without(documented.keys(), IGNORED_FRAMES))
  })

  for (const [type, properties] of documented) {
    const known = page.get(type)
    if (known === undefined) continue

    it(`${type} has the properties of docs/api.md`, () => {
      const pageOnly = Object.values(PAGE_ONLY).flat()
      expect(without(known.keys(), pageOnly)).toEqual(without(properties.keys()))
    })

    it(`${type} requires only properties that docs/api.md requires`, () => {
      const required = [...known].filter(([, optional]) => !optional).map(([name]) => name)
      expect(required.filter((name) => properties.get(name) !== false)).toEqual([])
    })
  }
})
