// Roles, settings, bans and invite links of groups, each by two people or more.

import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { PHONE, button, chatRow, event, field, send, theirs, type Account, type TestUser } from './browsers'
import { useFixture } from './fixture'

const fixture = useFixture()
let ada: TestUser
let ben: TestUser
let cem: Account
let group: number

const details = (page: Page) => page.getByRole('dialog', { name: 'Group details' })
const dialog = (page: Page, name: string) => page.getByRole('dialog', { name })
const closed = (page: Page) => page.getByText('Only the owner and the admins write here.')

async function openDetails(page: Page): Promise<void> {
  await button(page, 'Details').click()
  await details(page).waitFor()
}

async function closeDetails(page: Page): Promise<void> {
  await button(details(page), 'Close').click()
  await details(page).waitFor({ state: 'detached' })
}

/** Opens what can be done with a member, in the open details. */
async function actionsFor(page: Page, { name }: Account) {
  await button(details(page), `Actions for ${name}`).click()
  return dialog(page, name)
}

beforeAll(async () => {
  const [owner, member] = [await fixture.browsers.newAccount('Ada Lovelace'), await fixture.browsers.newAccount('Ben Okri')]
  cem = await fixture.browsers.newAccount('Cem Kaya')
  const made = await fixture.browsers.request(owner, 'POST', '/groups/create_group', { name: 'Tea Club' })
  group = (made as { group_id: number }).group_id
  await fixture.browsers.request(owner, 'POST', '/groups/add_user_to_group', { group_id: group, user_id: member.id })
  await fixture.browsers.write(owner, group, ['welcome'])
  ada = await fixture.browsers.open(owner, `/c/${group}`)
  ben = await fixture.browsers.open(member, `/c/${group}`)
})

test('where only admins write, a member cannot, and can as an admin', async () => {
  await openDetails(ada.page)
  await button(details(ada.page), 'Group settings').click()
  await ada.page.getByRole('switch', { name: 'Only admins write' }).click()
  await closed(ben.page).waitFor()
  expect(await field(ben.page).count()).toBe(0)

  await ada.page.getByLabel('Description').fill('All about tea')
  await button(ada.page, 'Save').click()
  await details(ada.page).getByText('All about tea').waitFor()
  await button(await actionsFor(ada.page, ben), 'Make admin').click()
  await field(ben.page).waitFor()
  expect(await closed(ben.page).count()).toBe(0)
  await closeDetails(ada.page)
  await send(ben.page, 'by an admin')
  await theirs(ada.page, 'by an admin').waitFor()

  await openDetails(ben.page)
  await details(ben.page).getByText('All about tea').waitFor()
  await details(ben.page).locator('.person-row', { hasText: 'Ben Okri' }).getByText('Admin').waitFor()
  // Nobody removes the owner.
  expect(await button(details(ben.page), 'Actions for Ada Lovelace').count()).toBe(0)
  await closeDetails(ben.page)
})

test('a link lets a stranger join, and no longer when it has ended', async () => {
  await openDetails(ada.page)
  await button(details(ada.page), 'Invite links').click()
  await button(ada.page, 'Create link').click()
  const link = await ada.page.locator('.invite-link').textContent()
  await button(ada.page, 'QR code').click()
  await ada.page.getByRole('img', { name: 'QR code of the invite link' }).waitFor()

  const page = await fixture.browsers.newPage(PHONE, cem)
  await page.goto(link!)
  await page.getByRole('heading', { name: 'Tea Club' }).waitFor()
  await button(page, 'Join group').click()
  await theirs(page, 'by an admin').waitFor()
  await event(ben.page, 'Cem Kaya joined').waitFor()
  await page.goto(link!)
  await page.getByRole('link', { name: 'Open the group' }).click()
  await theirs(page, 'by an admin').waitFor()

  await button(ada.page, 'End link').click()
  await button(dialog(ada.page, 'End this link?'), 'End link').click()
  await ada.page.getByText('There is no link.').waitFor()
  const late = await fixture.browsers.newUser('Late Comer')
  await late.page.goto(link!)
  await late.page.getByText('This link has ended, or there never was one.').waitFor()
  await late.page.context().close()
  await page.context().close()
  await button(ada.page, 'Back').click()
  await closeDetails(ada.page)
})

test('who is banned leaves, and comes back when the ban is lifted', async () => {
  const watching = await fixture.browsers.newPage({}, cem)
  await watching.goto('/')
  await chatRow(watching, 'Tea Club').waitFor()

  await openDetails(ada.page)
  await button(await actionsFor(ada.page, cem), 'Ban from the group').click()
  await button(dialog(ada.page, 'Ban Cem Kaya?'), 'Ban').click()
  await chatRow(watching, 'Tea Club').waitFor({ state: 'detached' })
  await event(ben.page, 'Ada Lovelace removed Cem Kaya').waitFor()

  await button(details(ada.page), 'Banned people').click()
  await button(ada.page, 'Lift the ban of Cem Kaya').click()
  await ada.page.getByText('Nobody is banned.').waitFor()
  await button(ada.page, 'Back').click()
  await fixture.browsers.request(ada, 'POST', '/groups/add_user_to_group', { group_id: group, user_id: cem.id })
  await chatRow(watching, 'Tea Club').waitFor()
  await closeDetails(ada.page)
  await watching.context().close()
})

test('the owner hands the group over', async () => {
  await openDetails(ada.page)
  await button(await actionsFor(ada.page, ben), 'Hand over the group').click()
  await button(dialog(ada.page, 'Hand the group over to Ben Okri?'), 'Hand over the group').click()
  await openDetails(ben.page)
  await details(ben.page).locator('.person-row', { hasText: 'Ben Okri' }).getByText('Owner').waitFor()
  await details(ben.page).locator('.person-row', { hasText: 'Ada Lovelace' }).getByText('Admin').waitFor()
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
