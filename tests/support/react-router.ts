import {
  type ActionFunctionArgs,
  createRequestHandler,
  type LoaderFunctionArgs,
  type MiddlewareFunction,
  type RequestHandler,
  type ServerBuild,
} from "react-router";

export interface TestRoute {
  readonly parent?: string;
  readonly path: string;
  readonly loader?: (args: LoaderFunctionArgs) => unknown;
  readonly action?: (args: ActionFunctionArgs) => unknown;
  readonly middleware?: readonly MiddlewareFunction<Response>[];
}

/**
 * React Router's own request handler, on what its compiler would have made of these routes by id. A document
 * answers with what its loaders gave, as JSON.
 */
export function reactRouter(routes: Readonly<Record<string, TestRoute>>): RequestHandler {
  const manifest = Object.entries(routes).map(([id, { parent, path, ...functions }]) => {
    const module = { default: () => null, ...functions };
    return [id, { id, path, parentId: parent, module }];
  });
  const build = {
    entry: {
      module: {
        default: (_request: Request, status: number, headers: Headers, context: EntryContext) =>
          Response.json(context.staticHandlerContext.loaderData, { status, headers }),
        handleError: () => {},
      },
    },
    routes: Object.fromEntries(manifest),
    assets: { version: "1", url: "/manifest.js", entry: { module: "/entry.js", imports: [] }, routes: {} },
    future: {},
    publicPath: "/",
    assetsBuildDirectory: "build",
    ssr: true,
    isSpaMode: false,
    prerender: [],
    routeDiscovery: { mode: "initial", manifestPath: "/__manifest" },
  };
  return createRequestHandler(build as unknown as ServerBuild, "production");
}

interface EntryContext {
  readonly staticHandlerContext: { readonly loaderData: unknown };
}
