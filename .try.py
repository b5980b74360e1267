import sys; sys.path[:0]=["tests","tests/clients"]
import tempfile, pathlib, subprocess, os, json
from openai_server import *
from serving import serving
with OpenAIServer(text("One two."),text("Three four."),text("Five.")) as b, serving(pathlib.Path(tempfile.mkdtemp()), b) as s:
    r=subprocess.run([sys.executable,"tests/clients/pipecat_bot.py","Hello","And?","More"],env={**os.environ,"VOICEGRAPH_URL":s.url},capture_output=True,text=True,timeout=60)
    print(r.stdout,r.stderr[-3000:])
    for q in b.requests: print(json.dumps(q.messages)[-300:])
    b.check()
