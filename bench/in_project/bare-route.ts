/** The shortest route in Next.js that hands a stream on: nobody is asked who they are, nothing is checked. */
export async function POST(request: Request): Promise<Response> {
  const upstream = await fetch(`${process.env.BACKEND_URL}/chatkit`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: await request.text(),
  });
  return new Response(upstream.body, { headers: { "content-type": "text/event-stream" } });
}
