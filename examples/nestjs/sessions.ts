import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  ForbiddenException,
  Injectable,
  mixin,
  type Type,
  UnauthorizedException,
} from "@nestjs/common";
import { createPsession, type Duration, dangerouslyAllowInsecureHttp, type Session } from "psession";
import { sqliteStore } from "psession/sqlite";

declare module "psession" {
  interface SessionData {
    cart: string[];
  }
}

export const psession = createPsession({
  store: sqliteStore({ path: process.env["DATABASE"] ?? "sessions.sqlite" }),
  keys: process.env["SESSION_KEYS"], // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const sessionOf = (context: ExecutionContext): Session =>
  context.switchToHttp().getRequest<{ session: Session }>().session;

/** The visitor's session, as a parameter: `show(@SessionOf() session: Session)`. */
export const SessionOf = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  sessionOf(context),
);

/** Lets signed-in users through, remembered ones included. */
@Injectable()
export class LoginGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (sessionOf(context).isSignedIn) return true;
    throw new UnauthorizedException("Please sign in first.");
  }
}

/** Lets users through who proved their password recently: `@UseGuards(FreshGuard("10m"))`. */
export function FreshGuard(within: Duration): Type<CanActivate> {
  @Injectable()
  class Guard implements CanActivate {
    canActivate(context: ExecutionContext): boolean {
      const session = sessionOf(context);
      if (session.isFresh({ within })) return true;
      if (session.isSignedIn) throw new ForbiddenException("Please confirm your password first.");
      throw new UnauthorizedException("Please sign in first.");
    }
  }
  return mixin(Guard);
}
