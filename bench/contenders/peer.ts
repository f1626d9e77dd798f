/**
 * Peers come without their types: several packages of this program say what `request.session` is, and psession's
 * faces are among them. `Module` says what is used of one.
 */
export async function peer<Module>(name: string): Promise<Module> {
  const module = (await import(name)) as { default?: unknown };
  return (module.default ?? module) as Module;
}
