"""Seconds a sentence, and what the checks find, for spoken sentences in several pairs.

    python benchmarks/translation.py [--pairs en-ko en-es en-pt] [--quality draft]

Prints each answer: whether it is good only a person can say. chrF is against the one reference
given for each sentence, so it ranks settings of one engine and grades nothing.
"""

from __future__ import annotations

import argparse
import time

from onevoice.config import cache_dir
from onevoice.engines import registry
from onevoice.engines.base import Runtime, TranslationRequest, Translator
from onevoice.engines.translation.chrf import chrf
from onevoice.types import Summary

# English | Korean | Spanish | Portuguese; written for this benchmark.
SENTENCES = """
Hey everyone, welcome back to the channel.|여러분 안녕하세요, 채널에 다시 오신 걸 환영해요.|Hola a todos, bienvenidos de nuevo al canal.|Olá a todos, bem-vindos de volta ao canal.
I bought this camera three months ago, and honestly I regret it.|이 카메라를 3개월 전에 샀는데 솔직히 후회해요.|Compré esta cámara hace tres meses y, la verdad, me arrepiento.|Comprei esta câmera há três meses e, sinceramente, me arrependo.
It cost me twenty dollars at a flea market.|벼룩시장에서 20달러 줬어요.|Me costó veinte dólares en un mercadillo.|Custou vinte dólares num mercado de pulgas.
Could you turn down the music a little?|음악 소리 좀 줄여 주시겠어요?|¿Puedes bajar un poco la música?|Você pode baixar um pouco a música?
We've never been to Disneyland in any other city.|다른 도시의 디즈니랜드에는 가 본 적이 없어요.|Nunca hemos ido a Disneyland en otra ciudad.|Nunca fomos à Disneylândia em outra cidade.
Last week my brother called me in the middle of the night.|지난주에 형이 한밤중에 전화했어요.|La semana pasada mi hermano me llamó en plena noche.|Na semana passada meu irmão me ligou no meio da noite.
The meeting starts at 9:30, so don't be late.|회의는 9시 30분에 시작하니까 늦지 마세요.|La reunión empieza a las 9:30, así que no lleguen tarde.|A reunião começa às 9:30, então não se atrase.
You don't have to do this if you don't want to.|하기 싫으면 안 하셔도 돼요.|No tienes que hacerlo si no quieres.|Você não precisa fazer isso se não quiser.
Let me show you how it works, step by step.|어떻게 작동하는지 하나씩 보여 드릴게요.|Les voy a enseñar cómo funciona, paso a paso.|Vou mostrar como funciona, passo a passo.
About 45 percent of the people said no.|약 45퍼센트의 사람들이 아니라고 했어요.|Un 45 por ciento de la gente dijo que no.|Cerca de 45 por cento das pessoas disseram não.
I was so tired that I fell asleep on the train.|너무 피곤해서 기차에서 잠들었어요.|Estaba tan cansado que me dormí en el tren.|Eu estava tão cansado que dormi no trem.
Mary told John that she would move to Canada next year.|메리는 존에게 내년에 캐나다로 이사 간다고 했어요.|Mary le dijo a John que se mudaría a Canadá el año que viene.|Mary disse a John que se mudaria para o Canadá no ano que vem.
What would you do if you won the lottery?|복권에 당첨되면 뭘 하시겠어요?|¿Qué harías si te tocara la lotería?|O que você faria se ganhasse na loteria?
This is the best coffee I've ever had.|지금까지 마셔 본 커피 중에 최고예요.|Es el mejor café que he tomado nunca.|Este é o melhor café que já tomei.
He gave up smoking after the doctor talked to him.|그는 의사와 이야기한 뒤에 담배를 끊었어요.|Dejó de fumar después de que el médico hablara con él.|Ele parou de fumar depois que o médico falou com ele.
First, preheat the oven to 180 degrees and grease the pan.|먼저 오븐을 180도로 예열하고 팬에 기름을 바르세요.|Primero precalienta el horno a 180 grados y engrasa el molde.|Primeiro, preaqueça o forno a 180 graus e unte a forma.
Don't forget to subscribe and leave a comment below.|구독하시고 아래에 댓글 남기는 것 잊지 마세요.|No olvides suscribirte y dejar un comentario abajo.|Não se esqueça de se inscrever e deixar um comentário abaixo.
It turns out the battery was dead the whole time.|알고 보니 배터리가 계속 방전돼 있었어요.|Resulta que la batería estuvo descargada todo el tiempo.|Acontece que a bateria estava descarregada o tempo todo.
They say the new law will make housing cheaper.|새 법으로 집값이 싸질 거래요.|Dicen que la nueva ley abaratará la vivienda.|Dizem que a nova lei vai baratear a moradia.
Okay, that's it for today, see you next time!|자, 오늘은 여기까지예요. 다음에 또 만나요!|Bueno, eso es todo por hoy, ¡hasta la próxima!|Bom, por hoje é só, até a próxima!
"""  # noqa: E501
LANGUAGES = ("en", "ko", "es", "pt")
ROWS = [
    dict(zip(LANGUAGES, line.split("|"), strict=True)) for line in SENTENCES.strip().splitlines()
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", nargs="+", default=["en-pt", "en-es", "en-ko"])
    parser.add_argument("--quality", choices=["draft", "best"], default="draft")
    parser.add_argument("--model", default="", help="path of another GGUF model")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    runtime = Runtime(models_dir=cache_dir() / "models", threads=arguments.threads)
    firefox = registry.create("translation", "firefox", {}, runtime)
    options = {"quality": arguments.quality, "model": arguments.model}
    llama = registry.create("translation", "llama", options, runtime)
    table = ["", "pair    engine   s/sentence  first s  chrF  with problems"]
    for pair in arguments.pairs:
        source, _, target = pair.partition("-")
        engine = firefox if firefox.supports(source, target) else llama
        table.append(measure(engine, source, target))
    print("\n".join(table))


def measure(engine: Translator, source: str, target: str) -> str:
    """Translate every sentence; the first is timed apart, because the model loads with it."""
    name = engine.info.name
    print(f"\n{source} -> {target} by {name}")
    requests = [TranslationRequest(id=str(i), text=row[source]) for i, row in enumerate(ROWS)]
    seconds: list[float] = []
    scores: list[float] = []
    troubled = 0
    results = engine.translate(requests, source=source, target=target, summary=Summary())
    start = time.perf_counter()
    for row, result in zip(ROWS, results, strict=True):
        seconds.append(time.perf_counter() - start)
        scores.append(chrf(result.text, row[target]))
        troubled += bool(result.problems)
        print(f"  {row[source]}\n    {result.text}  {' '.join(result.problems)}")
        start = time.perf_counter()
    mean = sum(seconds[1:]) / len(seconds[1:])
    score = sum(scores) / len(scores)
    return f"{source}-{target:4}  {name:8} {mean:9.2f} {seconds[0]:9.1f} {score:6.2f}  {troubled}"


if __name__ == "__main__":
    main()
