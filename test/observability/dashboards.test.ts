/** The dashboard and the alert rules ask for metrics, and labels of them, that there are. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createMetrics } from '../../src/observability/metrics.js';
import { temporaryFolder } from '../support/audio.js';
import { promtool } from '../support/promtool.js';

const fileOf = (name: string) =>
  fileURLToPath(new URL(`../../docs/observability/${name}`, import.meta.url));
const alerts = readFileSync(fileOf('alerts.yml'), 'utf8');
const dashboard = readFileSync(fileOf('grafana.json'), 'utf8');

interface Panel {
  id: number;
  title: string;
  type: string;
  targets?: { expr: string }[];
}
const { panels } = JSON.parse(dashboard) as { panels: Panel[] };

const known = new Set(
  createMetrics()
    .registry.getMetricsAsArray()
    .map(({ name }) => name),
);
/** As Prometheus names the parts of a histogram. */
const base = (name: string) => (known.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''));

describe('the dashboard and the alert rules', () => {
  it('use metrics that exist', () => {
    const used = [...`${alerts}${dashboard}`.matchAll(/\b(?:demucs|process|nodejs)_[a-z0-9_]+/g)]
      .map(([name]) => base(name))
      .filter((name) => name !== 'process_ended');
    assert.ok(used.length > 30);
    assert.deepEqual(
      used.filter((name) => !known.has(name)),
      [],
    );
  });

  it('show every metric of ours', () => {
    const shown = new Set(
      [...dashboard.matchAll(/\bdemucs_[a-z0-9_]+/g)].map(([name]) => base(name)),
    );
    assert.deepEqual(
      [...known].filter((name) => name.startsWith('demucs_') && !shown.has(name)),
      [],
    );
  });

  it('are valid to promtool, rules and queries alike', () => {
    const { status, said } = promtool(['check', 'rules', fileOf('alerts.yml')]);
    assert.equal(status, 0, said);
    const rules = panels
      .flatMap(({ targets = [] }) => targets)
      .map(({ expr }, at) => {
        const query = expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'x');
        return `  - record: panel_${at}\n    expr: ${JSON.stringify(query)}\n`;
      });
    const file = path.join(temporaryFolder({ after }), 'panels.yml');
    writeFileSync(file, `groups:\n- name: panels\n  rules:\n${rules.join('')}`);
    const checked = promtool(['check', 'rules', file]);
    assert.equal(checked.status, 0, checked.said);
  });

  it('have panels with a title and a description each', () => {
    const ids = new Set(panels.map(({ id }) => id));
    assert.equal(ids.size, panels.length);
    for (const panel of panels) {
      assert.ok(panel.title);
      if (panel.type !== 'row') assert.ok((panel as { description?: string }).description);
    }
  });
});
