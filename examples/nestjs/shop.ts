import {
  Body,
  Controller,
  Get,
  HttpCode,
  Module,
  type OnApplicationShutdown,
  Post,
  Redirect,
  UnauthorizedException,
  UseGuards,
} from "@nestjs/common";
import type { Device, Session } from "psession";
import { FreshGuard, LoginGuard, psession, SessionOf } from "./sessions.js";

interface Credentials {
  email: string;
  password: string;
  remember?: string;
}

const users: Record<string, { id: number; password: string }> = {
  "ada@example.com": { id: 1, password: "only for trying it out" },
};

@Controller()
class ShopController {
  @Post("login")
  @Redirect("/cart", 303)
  async login(@Body() body: Credentials, @SessionOf() session: Session): Promise<void> {
    const user = users[body.email];
    if (user === undefined || user.password !== body.password) throw new UnauthorizedException();
    await session.login(user.id, { remember: body.remember === "on" });
  }

  @Post("logout")
  @HttpCode(204)
  async logout(@SessionOf() session: Session): Promise<void> {
    await session.logout();
  }

  @Post("cart")
  @Redirect("/cart", 303)
  add(@Body() body: { item: string }, @SessionOf() session: Session): void {
    session.push("cart", body.item);
  }

  @Get("cart")
  cart(@SessionOf() session: Session): string[] {
    return session.data.cart ?? [];
  }

  @Get("devices")
  @UseGuards(LoginGuard)
  devices(@SessionOf() session: Session): Promise<Device[]> {
    return session.devices();
  }

  @Get("billing")
  @UseGuards(FreshGuard("10m"))
  billing(): string {
    return JSON.stringify("your cards");
  }
}

@Module({ controllers: [ShopController] })
export class ShopModule implements OnApplicationShutdown {
  async onApplicationShutdown(): Promise<void> {
    await psession.close();
  }
}
