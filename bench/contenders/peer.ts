/**
 * Peers are loaded without their types: several packages of this program declare `request.session`, psession's
 * integrations among them. `Module` declares the part of a peer that is used.
 */
export async function peer<Module>(name: string): Promise<Module> {
  const module = (await import(name)) as { default?: unknown };
  return (module.default ?? module) as Module;
}
