export type {
  ContractData,
  FaceSetup,
  HttpFace,
  ServedFace,
  Site,
  SiteAnswer,
  SiteRequest,
} from "./http/face.ts";
export { httpContract } from "./http-contract.ts";
export { digestOf, plain, rememberedRow, sessionRow, T0 } from "./rows.ts";
export { type ContractCase, type StoreFixture, storeContract } from "./store-contract.ts";
