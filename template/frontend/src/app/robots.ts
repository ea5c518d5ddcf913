import type { MetadataRoute } from "next";
import { BASE_PATH } from "@/kit/settings";

/** What search engines may read: the page, and nothing that it asks the server. */
export default function robots(): MetadataRoute.Robots {
  return { rules: { userAgent: "*", allow: "/", disallow: `${BASE_PATH}/api/` } };
}
