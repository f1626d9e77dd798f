export { type ContractCase, type StoreFixture, storeContract } from "./store-contract.ts";
