"""The page that describes the API."""

import re
from urllib.parse import urljoin

from served_app import Serve

from voicegraph.state import Actor


async def test_the_page_needs_no_other_host(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        page = (await client.get("/docs")).text
        links = re.findall(r"""(?:src|href)="([^"]+)"|url: '([^']+)'""", page)
        addresses = [urljoin("http://localhost/docs", first or second) for first, second in links]
        answers = {address: await client.get(address) for address in addresses}
    kinds = {address: answer.headers["content-type"].partition(";")[0] for address, answer in answers.items()}
    assert kinds == {
        "http://localhost/docs/swagger-ui-bundle.js": "text/javascript",
        "http://localhost/docs/swagger-ui.css": "text/css",
        "http://localhost/docs/favicon-32x32.png": "image/png",
        "http://localhost/openapi.json": "application/json",
    }
    assert {answer.status_code for answer in answers.values()} == {200}
    assert "//" not in page.replace("<!DOCTYPE html>", "").replace("// ", "")


async def test_its_files_need_what_the_page_needs_and_there_are_no_others(serve: Serve) -> None:
    async with serve(address="10.0.0.7") as served, served.client() as far:
        key = await served.key(Actor())
        assert (await far.get("/docs/swagger-ui.css")).status_code == 401
        async with served.client(key) as known:
            assert (await known.get("/docs/swagger-ui.css")).status_code == 200
            assert (await known.get("/docs/__init__.py")).status_code == 404
