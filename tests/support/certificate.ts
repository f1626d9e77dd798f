/** The demo makes one as well, when it is served over https. */
export { selfSigned } from "../../examples/demo/certificate.ts";
