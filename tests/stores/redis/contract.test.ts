import { afterAll, beforeAll, describe, test } from "vitest";
import { storeContract } from "../../../src/testing/contracts.ts";
import { crowdIn } from "../../support/crowd.ts";
import {
  isRedisMissing,
  type RedisCluster,
  redisUrl,
  startRedisCluster,
} from "../../support/servers/redis.ts";
import { drivers, fixtureOf, viaIoCluster, viaNodeCluster } from "./fixtures.ts";

const isMissing = await isRedisMissing("the store contract on Redis, Valkey's client and a Redis cluster");

for (const [name, connect] of Object.entries(drivers)) {
  describe.skipIf(isMissing)(`store contract: redis through ${name}`, () => {
    const open = () => fixtureOf(() => connect(redisUrl()), [redisUrl()]);
    for (const { name, run } of storeContract(open)) test(name, crowdIn(name), run);
  });
}

describe.skipIf(isMissing)("on a cluster of three", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());

  for (const [name, connect] of Object.entries({ ioredis: viaIoCluster, "node-redis": viaNodeCluster })) {
    describe(`store contract: redis cluster through ${name}`, () => {
      const open = () =>
        fixtureOf(
          () => connect(cluster.ports),
          cluster.nodes.map(({ url }) => url),
        );
      for (const { name, run } of storeContract(open)) test(name, crowdIn(name), run);
    });
  }
});
