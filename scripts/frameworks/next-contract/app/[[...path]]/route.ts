import { servedTo } from "../../served";

const handle = (request: Request, context: object) => servedTo(request).handle(request, context);

export const dynamic = "force-dynamic";
export const GET = handle;
export const HEAD = handle;
export const OPTIONS = handle;
export const POST = handle;
export const PUT = handle;
export const PATCH = handle;
export const DELETE = handle;
