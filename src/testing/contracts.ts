export type {
  ContractData,
  HttpIntegration,
  IntegrationSetup,
  ServedIntegration,
  Site,
  SiteAnswer,
  SiteRequest,
} from "./http/integration.ts";
export { httpContract } from "./http-contract.ts";
export { digestOf, plain, rememberedRow, sessionRow, T0 } from "./rows.ts";
export { type ContractCase, type StoreFixture, storeContract } from "./store-contract.ts";
