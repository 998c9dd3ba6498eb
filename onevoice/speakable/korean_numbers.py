"""Numbers in Korean: Sino-Korean and native, and which of them a counter asks for."""

from __future__ import annotations

import re

from onevoice.speakable.tables import listed

DIGITS = "영일이삼사오육칠팔구"
_SMALL = ("", "십", "백", "천")
_LARGE = ("", "만", "억", "조", "경")
_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
LIMIT = 10**20

# Counters that native numbers go before, and up to which number usage keeps them.
NATIVE: dict[str, int] = {
    **dict.fromkeys(
        listed(
            "개 명 사람 살 번 마리 권 장 병 잔 대 벌 켤레 송이 그루 채 척 자루 통 갑 가지 군데 곳 "
            "달 쌍 끼 그릇 조각 모금 방울 바퀴 걸음 판 곡 편 건 팀 줄 칸 상자 박스 봉지 컵 스푼 "
            "숟가락 접시 다발 묶음 뿌리 차례 해 나라 문장 단어 글자 자리 세트 팩 번째 시간째 달째 "
            "배 가구 아이 아들 딸 남자 여자 친구 도시 형제 자매 주먹 발짝 입 술 땀 포기 모 꼬집 "
            "손가락 시즌 챕터 과목 학교 회사 종류 그룹 커플 부부 시간대"
        ),
        99,
    ),
    "시": 12,
    "시간": 20,
    "배": 19,
}
# Counters that Sino-Korean numbers go before, written apart; longer ones are tried first.
SINO = listed(
    "년대 년간 년생 년도 년차 년 개월간 개월 개년 일간 일째 일 주일 주년 주간 주차 주 분기 분 초 "
    "원 달러 "
    "센트 유로 엔 위안 파운드 페소 퍼센트 프로 킬로미터 킬로그램 킬로 미터 센티미터 센티 "
    "밀리미터 밀리 "
    "그램 톤 리터 밀리리터 제곱미터 평 도 층 호선 호실 호 회 차선 차원 위 등급 등 학년 학기 "
    "반 교시 단계 부작 부 과 세기 세대 세 인분 인용 인 점 쪽 페이지 항 조항 절 킬로바이트 "
    "메가바이트 "
    "기가바이트 테라바이트 와트 볼트 헤르츠 칼로리 마일 피트 인치 에이커 헥타르 데시벨 프레임 픽셀 "
    "라운드 포인트 배럴 번지 번길 번가 번선 강 악장 장면 화 기 급 단 승 패 골 진 관왕 관 "
    "군 사단 대대 중대 소대 연대 개국 개소"
)
# "3번" counts times, but before these it names: number three.
_NAMED = (
    r"(?:\s?(?:출구|버스|문제|트랙|선수|방|타자|홀|국도|채널|레인|게이트|창구|카메라|포트|마을))"
)
_PERSONS = re.compile(r"(?:손님|고객|고객님|선생님|어르신|어른|여러분 중|승객|하객)\s?$")
_MACHINES = re.compile(
    r"(?:(?<![가-힣])차|자동차|전기차|승용차|버스|택시|트럭|컴퓨터|노트북|카메라|드론|로봇|서버|휴대폰|스마트폰|"
    r"자전거|오토바이|에어컨|냉장고|세탁기|프린터|태블릿|비행기|전투기|탱크)[는은이가를을도]?\s?$"
)
_PARTICLE = (
    r"(?=$|[^가-힣]|은|는|이|가|을|를|의|에|로|으로|도|만|와|과|나|이나|까지|"
    r"부터|정도|씩|째|짜리|쯤|"
    r"간|동안|마다|뿐|밖에|보다|처럼|입니다|예요|였|이었|인|임|당|"
    r"중|안|후|전|내|가량|남짓|여|들|하고|"
    r"한테|께|라|란|랑|면|같|반)"
)


def sino(number: int) -> str:
    """Sino-Korean, with a blank after each 만, 억, 조: 123456 is 십이만 삼천사백오십육."""
    if number == 0:
        return DIGITS[0]
    if number < 0 or number >= LIMIT:
        return ("마이너스 " if number < 0 else "") + digits(str(abs(number)))
    groups: list[str] = []
    for power, unit in enumerate(_LARGE):
        part = number // 10 ** (4 * power) % 10**4
        if part:
            said = _below_ten_thousand(part)
            groups.append("만" if (part, unit) == (1, "만") and number < 10**8 else said + unit)
    return " ".join(reversed(groups))


def _below_ten_thousand(number: int) -> str:
    said = ""
    for power in (3, 2, 1, 0):
        digit = number // 10**power % 10
        if digit:
            said += ("" if digit == 1 and power else DIGITS[digit]) + _SMALL[power]
    return said


def native(number: int) -> str:
    """Native Korean before a counter (한, 두, 스무); Sino-Korean hundreds above 99."""
    if number <= 0:
        return sino(number)
    if number >= 100:
        rest = number % 100
        return sino(number - rest) + native(rest) if 0 < rest < 10 else sino(number)
    if number == 20:
        return "스무"
    return _TENS[number // 10] + _ONES[number % 10]


def digits(text: str, zero: str = "영") -> str:
    """One digit after the other; everything else is skipped."""
    return "".join(zero if char == "0" else DIGITS[int(char)] for char in text if char.isdigit())


def decimal(text: str) -> str:
    """A plain number as written, with ``,`` between thousands and ``.`` before decimals."""
    whole, point, fraction = text.replace(",", "").partition(".")
    if len(whole) > 1 and whole.startswith("0") and not point:
        return digits(whole, zero="공")
    said = sino(int(whole or "0"))
    return f"{said} 점 {digits(fraction)}" if point else said


def takes_native(number: int, counter: str, before: str, after: str) -> bool:
    """Is ``number`` said natively before ``counter``? ``before`` and ``after`` are the context."""
    if counter == "분":
        return number < 100 and bool(_PERSONS.search(before))
    if counter == "번" and (re.match(_NAMED, after) or re.search(r"제\s?$|채널 $", before)):
        return False
    if counter == "대" and number >= 10 and number % 10 == 0:
        return bool(_MACHINES.search(before))  # else 20대 is an age, not twenty vehicles
    if counter == "장" and re.search(r"제\s?$", before):
        return False
    if counter == "배" and number >= 20:
        return False
    return number <= NATIVE[counter] or (number >= 100 and NATIVE[counter] == 99)


def counter_pattern() -> str:
    """A regular expression for one counter with its particles ahead, longest first."""
    both = sorted([*NATIVE, *SINO, "분"], key=len, reverse=True)
    return f"(?:{'|'.join(dict.fromkeys(both))}){_PARTICLE}"
