// Measures scrolling through 100,000 messages. Not part of the default run, because its figures need a
// quiet machine:
//
//     PARLEY_MEASURE=yes ../tests/run-e2e e2e/scroll.test.ts

import { expect, test } from 'vitest'
import { chatRow, closeUsers } from './browsers'
import { useFixture } from './fixture'

const MESSAGES = 100_000
/** Per frame; 12,000 px a second. */
const STEP_PX = 200
const FRAMES = 900

if (process.env.PARLEY_MEASURE !== 'yes') test.skip('100,000 messages scroll at 60 frames a second')
else measure()

function measure(): void {
  const fixture = useFixture()

  test('100,000 messages scroll at 60 frames a second', async () => {
    const [ada, ben] = await fixture.browsers.newPair('first')
    await closeUsers(ada)
    const [lo, hi] = [ada.id, ben.id].sort((a, b) => a - b)
    await fixture.server.sql(
      `with c as (select conv_id from conversations where user_lo = ${lo} and user_hi = ${hi}),
       filled as (
         insert into messages (conv_id, seq, mod, sender_id, content, sent_at)
         select c.conv_id, n, n, case when mod(n / 3, 2) = 0 then ${lo} else ${hi} end,
           'message ' || n || repeat(' with some more words', mod(n * 7919, 23)),
           now() - make_interval(secs => (${MESSAGES} - n) * 200)
         from c, generate_series(2, ${MESSAGES}) n),
       read as (update members m set read_seq = ${MESSAGES} from c where m.conv_id = c.conv_id)
       update conversations v set last_seq = ${MESSAGES}, last_mod = ${MESSAGES} from c where v.conv_id = c.conv_id`,
    )
    const { page } = ben
    await page.goto('/')
    await chatRow(page, `message ${MESSAGES}`).waitFor()
    await page.evaluate((path) => history.pushState(null, '', path), `/c/${ada.id}/50000`)
    await page.locator('.row-highlighted').waitFor()
    await page.waitForTimeout(1_000)

    for (const direction of [-1, 1]) {
      const result = await page.evaluate(
        ({ step, frames }) =>
          new Promise<{ times: number[]; from: number; to: number; rows: number; blank: number }>((resolve) => {
            const list = document.querySelector('.messages')!
            const seqs = () =>
              [...list.querySelectorAll<HTMLElement>('.row[data-seq]')].map((row) => Number(row.dataset.seq))
            const from = seqs()[0]!
            const times: number[] = []
            let blank = 0
            let last = performance.now()
            const frame = (now: number) => {
              times.push(now - last)
              last = now
              list.scrollTop += step
              const { top, height } = list.getBoundingClientRect()
              const middle = top + height / 2
              const isFilled = [...list.querySelectorAll('.row')].some((row) => {
                const box = row.getBoundingClientRect()
                return box.top < middle + 20 && box.bottom > middle - 20
              })
              if (!isFilled) blank++
              if (times.length < frames) requestAnimationFrame(frame)
              else resolve({ times: times.slice(1), from, to: seqs()[0]!, rows: seqs().length, blank })
            }
            requestAnimationFrame(frame)
          }),
        { step: STEP_PX * direction, frames: FRAMES },
      )
      const sorted = [...result.times].sort((a, b) => a - b)
      const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(1)
      const late = result.times.filter((ms) => ms > 25).length
      const fps = (result.times.length * 1000) / result.times.reduce((sum, ms) => sum + ms, 0)
      console.log(
        `${direction < 0 ? 'up' : 'down'}: ${result.from} → ${result.to}, ${fps.toFixed(1)} frames/s, ` +
          `median ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms, ` +
          `${late} of ${result.times.length} later than 25 ms, ${result.rows} rows, ${result.blank} blank`,
      )
      expect(Math.abs(result.to - result.from)).toBeGreaterThan(1_000)
      expect(fps).toBeGreaterThan(55)
    }
  }, 180_000)
}
