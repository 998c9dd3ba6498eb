"""Signs, units and currencies in Korean."""

from __future__ import annotations

ENGLISH_POWERS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ENGLISH_POWERS |= {"k": 10**3, "m": 10**6, "b": 10**9, "bn": 10**9}

MONEY = {
    "$": "달러",
    "US$": "달러",
    "€": "유로",
    "£": "파운드",
    "¥": "엔",
    "₩": "원",
    "R$": "헤알",
}
MONEY |= {"USD": "달러", "EUR": "유로", "GBP": "파운드", "JPY": "엔", "KRW": "원", "BRL": "헤알"}
MONEY |= {"₹": "루피", "INR": "루피", "CNY": "위안", "CHF": "스위스 프랑"}
CENTS = {"달러": "센트", "유로": "센트", "파운드": "펜스"}
_CODES = "|".join(sign for sign in MONEY if sign.isalpha())
MONEY_SIGN = rf"(?:US\$|R\$|[$€£¥₩₹]|(?<![A-Za-z])(?:{_CODES})(?![A-Za-z]))"
UNITS = {
    "km/h": "시속 {} 킬로미터",
    "kph": "시속 {} 킬로미터",
    "mph": "시속 {} 마일",
    "m/s": "초속 {} 미터",
    "km/s": "초속 {} 킬로미터",
    "°C": "{} 도",
    "°F": "화씨 {} 도",
    "°": "{} 도",
    "Mb/s": "초당 {} 메가비트",
    "Gb/s": "초당 {} 기가비트",
    "MB/s": "초당 {} 메가바이트",
    "GB/s": "초당 {} 기가바이트",
    "rpm": "분당 {} 회전",
    "bpm": "분당 {} 회",
    "%p": "{} 퍼센트포인트",
    "%": "{} 퍼센트",
}
_UNIT_NAMES = (
    "km 킬로미터,m 미터,cm 센티미터,mm 밀리미터,µm 마이크로미터,μm 마이크로미터,nm 나노미터,kg "
    "킬로그램,"
    "g 그램,mg 밀리그램,t 톤,L 리터,l 리터,ml 밀리리터,mL 밀리리터,cc 시시,m^2 제곱미터,m2 "
    "제곱미터,"
    "km^2 제곱킬로미터,km2 제곱킬로미터,cm^2 제곱센티미터,cm2 제곱센티미터,m^3 세제곱미터,m3 "
    "세제곱미터,"
    "ha 헥타르,GB 기가바이트,MB 메가바이트,KB 킬로바이트,kB 킬로바이트,TB 테라바이트,Gbps "
    "기가비피에스,"
    "Mbps 메가비피에스,Hz 헤르츠,kHz 킬로헤르츠,MHz 메가헤르츠,GHz 기가헤르츠,W 와트,kW 킬로와트,"
    "MW 메가와트,kWh 킬로와트시,V 볼트,mAh 밀리암페어시,kcal 킬로칼로리,cal 칼로리,ft 피트,mi 마일,"
    "lb 파운드,lbs 파운드,oz 온스,inch 인치,dB 데시벨,fps 프레임,px 픽셀,h 시간,min 분,s 초,sec "
    "초,ms 밀리초,"
    "hours 시간,minutes 분,seconds 초,days 일,years 년,miles 마일,meters 미터,dollars 달러,euros "
    "유로,hPa 헥토파스칼,Wh 와트시,GW 기가와트,ppm 피피엠,PB 페타바이트,cm^3 세제곱센티미터,"
    "cm3 세제곱센티미터,μg 마이크로그램"
)
UNITS |= {pair.split()[0]: "{} " + pair.split()[1] for pair in _UNIT_NAMES.split(",")}
SIGNS = {
    "&": " 앤 ",
    "+": " 플러스 ",
    "@": " 골뱅이 ",
    "%": " 퍼센트 ",
    "×": " 곱하기 ",
    "÷": " 나누기 ",
}
SIGNS |= {
    "±": " 플러스 마이너스 ",
    "√": " 루트 ",
    "°": " 도 ",
    "€": " 유로 ",
    "$": " 달러 ",
    "₩": " 원 ",
}
SIGNS |= {"£": " 파운드 ", "¥": " 엔 ", "^2": " 제곱", "^3": " 세제곱"}
