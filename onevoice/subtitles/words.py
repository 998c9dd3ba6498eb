"""Small words that belong to a neighbour, and those that begin a new thought.

A line ends badly after an article, a preposition, a negation or an auxiliary ("the | house"), and
well before a conjunction. The lists are short on purpose: the commonest words, no grammar.
"""

from __future__ import annotations

_CLINGING = {
    "en": """a an the this that these those my your his her its our their no not very too so
        of to in on at by for from with without into onto over under about after before between
        through during against among as than and or but nor if when while because i you he she
        we they is are was were be been am has have had do does did will would can could shall
        should may might must don't doesn't didn't won't can't mr. mrs. ms. dr. st.""",
    "es": """el la los las un una unos unas lo al del mi mis tu tus su sus este esta estos estas
        ese esa nuestro nuestra de a en con sin por para sobre entre hacia hasta desde según
        contra durante y e o u ni que si como cuando porque pero no muy más tan me te se le les
        nos yo he ha han había es son está están era fue ser sr. sra. dr. dra.""",
    "pt": """o a os as um uma uns umas ao aos à às do da dos das no na nos nas num numa pelo pela
        pelos pelas este esta esse essa meu minha seu sua nosso nossa de em com sem por para sobre
        entre até desde contra e ou nem que se como quando porque mas não muito mais tão me te
        lhe eu ele ela é são está estão era foi ser tem têm sr. sra. dr. dra.""",
    "fr": """le la les un une des du de au aux ce cet cette ces mon ma mes ton ta tes son sa ses
        notre nos votre vos leur leurs à en dans sur sous avec sans pour par chez vers entre
        depuis pendant contre et ou ni que qui si comme quand mais car donc ne pas plus très je
        tu il elle on nous vous ils elles se me te y est sont a ont ai as était été m. mme dr""",
    "de": """der die das den dem des ein eine einen einem einer eines kein keine mein meine dein
        sein seine ihr ihre unser unsere dieser diese dieses in im ins an am auf aus bei beim mit
        nach von vom vor zu zum zur über unter für gegen ohne um durch zwischen seit und oder
        aber dass ob wenn weil als wie nicht sehr zu ich du er sie es wir ist sind war waren hat
        haben wird werden herr frau dr.""",
    "it": """il lo la i gli le un uno una del dello della dei degli delle al allo alla ai agli
        alle dal dalla dai nel nella nei nelle sul sulla sui questo questa quel quella mio mia tuo
        tua suo sua nostro nostra di a da in con su per tra fra senza verso e ed o né che se come
        quando perché ma non molto più così mi ti si ci è sono era ha hanno ho sig. dott.""",
    "ko": """이 그 저 내 네 제 우리 저희 이런 그런 저런 어떤 모든 다른 새 첫 한 두 세 몇 각 약 안 못
        더 덜 가장 매우 아주 너무 꼭 잘 수 지난 다음""",
}

_BEGINNING = {
    "en": "and but or so because that which who when while if until although then where",
    "es": "y e o u pero sino porque que cuando mientras si aunque donde como",
    "pt": "e ou mas porque que quando enquanto se embora onde como",
    "fr": "et ou mais car donc parce que qui quand si comme où",
    "de": "und oder aber sondern weil dass wenn während ob obwohl wo",
    "it": "e ed o ma però perché che quando mentre se anche dove come",
}

_TRAILING = {
    "ko": """것 것을 것이 것은 것도 것이다 것입니다 거 거야 게 걸 수 수가 수도 줄 때 때는 때도
        때문에 때문이다 때문입니다 동안 중 중에 뿐 채 데 적 적이 지 등 전 전에 후 후에 뒤 뒤에 안에
        위에 년 년간 년에 월 월에 일 일에 시 시에 분 초 명 명이 개 개를 번 번째 원 살 킬로미터
        있다 있습니다 있어요 없다 없습니다 없어요 합니다 됩니다 싶다 싶습니다 싶어요 않습니다
        않아요 않는다""",
}

CLINGING = {language: frozenset(words.split()) for language, words in _CLINGING.items()}
"""By language: words that a line should not end with."""
BEGINNING = {language: frozenset(words.split()) for language, words in _BEGINNING.items()}
"""By language: words that a line may well begin with."""
TRAILING = {language: frozenset(words.split()) for language, words in _TRAILING.items()}
"""By language: words that belong to what precedes them, as Korean counters and auxiliaries do."""
