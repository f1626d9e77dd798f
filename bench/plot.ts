/**
 * The chart of a run for the README, as SVG: how many signed-in reads per second each library serves, one panel for
 * each pair of a framework and a store that people use together. It takes the `Results` that a run writes as JSON,
 * and of those the blocks of reads at 16 connections.
 */
import { BarChart, CustomChart } from "echarts/charts";
import { GridComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { GROUP_NAMES } from "./plan.ts";
import { type Measurement, type Results, rates, type Spread, spread } from "./results.ts";
import type { Framework, StoreName } from "./workload.ts";

const PANELS: readonly (readonly [Framework, StoreName, string])[] = [
  ["node", "postgres", "node:http"],
  ["express", "postgres", "Express"],
  ["fastify", "redis", "Fastify"],
  ["hono", "redis", "Hono"],
  ["koa", "redis", "Koa"],
];
const COLOURS = { ours: "#1a7f5a", peer: "#8aa4c8", floor: "#c9ccd1" } as const;
const INK = "#24292f";
const FONT = "Helvetica, Arial, sans-serif";

const WIDTH = 860;
const LEFT = 280;
const RIGHT = 110;
const HEAD = 64;
const TITLE = 30;
const BAR = 22;
const GAP = 12;

interface Bar {
  readonly name: string;
  readonly kind: Measurement["kind"];
  readonly rate: Spread;
}

interface Panel {
  readonly title: string;
  readonly top: number;
  readonly bars: readonly Bar[];
}

export function plot(results: Results): string {
  const panels = panelsOf(results);
  const last = panels.at(-1);
  if (last === undefined) throw new Error("The run has no reads at 16 connections to be plotted.");
  use([BarChart, CustomChart, GridComponent, TitleComponent, SVGRenderer]);
  const height = last.top + heightOf(last.bars) + GAP;
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  try {
    chart.setOption(optionOf(panels, results));
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}

const heightOf = (bars: readonly Bar[]): number => TITLE + bars.length * BAR;

function panelsOf({ blocks }: Results): Panel[] {
  const panels: Panel[] = [];
  let top = HEAD;
  for (const [framework, group, title] of PANELS) {
    const block = blocks.find(
      (one) => one.group === group && one.scenario === "read" && one.connections === 16,
    );
    const bars = (block?.measurements ?? [])
      .filter((one) => one.framework === framework && one.rounds.length > 0)
      .map((one) => ({ name: one.library, kind: one.kind, rate: spread(rates(one)) }));
    if (bars.length < 2) continue;
    panels.push({ title: `${title} with ${GROUP_NAMES[group]}`, top, bars });
    top += heightOf(bars) + GAP;
  }
  return panels;
}

function optionOf(panels: readonly Panel[], { about }: Results) {
  const most = Math.max(...panels.flatMap(({ bars }) => bars.map(({ rate }) => rate.most)));
  const text = { fontFamily: FONT, color: INK };
  return {
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: text,
    title: [
      {
        text: "Signed-in reads a second, 16 connections",
        subtext: `Medians of ${about.rounds} rounds, with the least and the most. Node ${about.node}; server, database and load on ${about.machine}.`,
        left: 16,
        top: 10,
        itemGap: 6,
        textStyle: { ...text, fontSize: 16 },
        subtextStyle: { ...text, fontSize: 11 },
      },
      ...panels.map(({ title, top }) => ({
        text: title,
        left: 16,
        top: top + 6,
        textStyle: { ...text, fontSize: 13 },
      })),
    ],
    grid: panels.map(({ top, bars }) => ({
      left: LEFT,
      right: RIGHT,
      top: top + TITLE,
      height: bars.length * BAR,
    })),
    xAxis: panels.map((_, at) => ({
      type: "value" as const,
      gridIndex: at,
      min: 0,
      max: most,
      show: false,
    })),
    yAxis: panels.map(({ bars }, at) => ({
      type: "category" as const,
      gridIndex: at,
      inverse: true,
      data: bars.map(({ name }) => name),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...text, fontSize: 11, width: LEFT - 24, overflow: "truncate" as const, interval: 0 },
    })),
    series: panels.flatMap(({ bars }, at) => [
      {
        type: "bar" as const,
        xAxisIndex: at,
        yAxisIndex: at,
        barWidth: BAR - 7,
        data: bars.map(({ rate, kind }) => ({ value: rate.median, itemStyle: { color: COLOURS[kind] } })),
      },
      whiskers(bars, at),
    ]),
  };
}

/** From the minimum to the maximum, with the median as text beside it. */
function whiskers(bars: readonly Bar[], at: number) {
  return {
    type: "custom" as const,
    z: 3,
    xAxisIndex: at,
    yAxisIndex: at,
    encode: { x: [0, 2], y: 1 },
    data: bars.map(({ rate }, index) => [rate.least, index, rate.most, rate.median]),
    renderItem(_: unknown, api: { value(index: number): unknown; coord(point: [number, number]): number[] }) {
      const [least, index, most, median] = [0, 1, 2, 3].map((dimension) => Number(api.value(dimension)));
      const [x1 = 0, y = 0] = api.coord([least ?? 0, index ?? 0]);
      const [x2 = 0] = api.coord([most ?? 0, index ?? 0]);
      const label = Math.round(median ?? 0).toLocaleString("en");
      return {
        type: "group" as const,
        children: [
          { type: "line" as const, shape: { x1, y1: y, x2, y2: y }, style: { stroke: INK, lineWidth: 1.2 } },
          {
            type: "text" as const,
            x: x2 + 8,
            y,
            style: { text: label, fill: INK, font: `11px ${FONT}`, textVerticalAlign: "middle" as const },
          },
        ],
      };
    },
  };
}
